/** Where a run's dataset, caches and references are on a machine: fixed folders, or a daemon's data dir. */
export type { DatabasePlace, NodePlaces, PlaceOutcome, PlaceRequest, RunPlaces } from './database-place.ts';
export { dataDirPlaces, type DataDirPlacesOptions } from './data-dir-places.ts';
export { fixedPlaces, type FixedPlacesOptions } from './fixed-places.ts';
