/** Waits for a condition, with a deadline and a text that says what did not come. */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 5_000,
  pollMs = 5,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`after ${deadlineMs} ms still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
