/**
 * Rows whose test is being written. They are named by `npm run parity` and are no fault yet; the list is empty when the work is
 * done, and a row that has its test is taken off it.
 */
export const PENDING: readonly string[] = [
  ...['W-15', 'N-13', '3C-08', 'V-02', 'V-04', 'V-08', 'V-18', 'P-06'],
  ...['P-33', 'P-38', 'Q-41'],
];
