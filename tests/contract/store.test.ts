/** What every store promises (`src/store/port.ts`), run over each of them. */
import { objectStoreContract } from '../helpers/object-store-contract.ts';
import { CONTRACT_KINDS } from '../helpers/store-fixtures.ts';

for (const { kind, make } of CONTRACT_KINDS) objectStoreContract(kind, make);
