/**
 * Rows whose test is being written. They are named by `npm run parity` and are no fault yet; the list is empty when the work is
 * done, and a row that has its test is taken off it.
 */
export const PENDING: readonly string[] = [
  ...['L-15', 'W-02', 'W-09', 'W-10', 'W-13', 'W-14', 'U-06', 'CR r2', 'X-13', 'N-06', 'N-13', 'T-05'],
  ...['3A-05', 'V-02', 'V-04', 'V-07', 'V-08', 'V-18', 'V-20', 'V-26', 'V-28', 'P-05', 'P-06'],
  ...['P-14', 'P-21', 'P-22', 'P-27', 'P-31', 'P-32', 'P-33', 'P-39', 'P-40', 'P-46', 'P-50'],
  ...['Q-08', 'Q-10', 'Q-11', 'Q-12', 'Q-14', 'Q-15', 'Q-22', 'Q-34', 'Q-41'],
];
