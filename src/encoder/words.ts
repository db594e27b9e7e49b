/** Names as people write them: `MeasuredPowerW`, `measpoww`, `Total Power (W)` taken apart and compared. */

/** Letters and digits only, lower case: what is left when spelling habits are taken away. */
export function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9\u0370-\u03ff]/g, '');
}

/** The words of a name: at blanks, underscores, and where camel case changes. Lower case. */
export function wordsOf(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean)
    .map((word) => word.toLowerCase());
}

/** Without what phrases put before a name: articles and "number of" kept as a count. */
export function bare(phrase: string): string {
  return phrase.trim().replace(/^(?:(?:an?|the|its|their|any|whose|calculated|value of the|value of)\s+)+/i, '');
}

/** Whether `short` is made of a beginning of every word, of two letters at least, in order: `measpoww` of "Measured Power W". */
export function isPrefixBlend(short: string, words: readonly string[]): boolean {
  const fits = (at: number, word: number): boolean => {
    if (word === words.length) return at === short.length;
    const full = words[word]!;
    for (let length = Math.min(full.length, short.length - at); length >= Math.min(2, full.length); length -= 1) {
      if (short.startsWith(full.slice(0, length), at) && fits(at + length, word + 1)) return true;
    }
    return false;
  };
  return words.length > 0 && fits(0, 0);
}

/** A KB title in its two parts: `Order Modification Intensity (OMI)`. */
export function titleParts(title: string): { name: string; abbreviation?: string } {
  const match = /^(.*?)\s*\(([^()]+)\)\s*$/.exec(title);
  return match ? { name: match[1]!.trim(), abbreviation: match[2]!.trim() } : { name: title.trim() };
}

/** Text of a definition without its LaTeX, for reading prose. */
export function proseOf(text: string): string {
  return text
    .replaceAll(/\\(?:text|mathrm|textbf|mathbf)\{([^{}]*)\}/g, '$1')
    .replaceAll(/\\(?:text|mathrm)\{([^{}]*)\}/g, '$1')
    .replaceAll(/\\([A-Za-z]+)/g, '$1')
    .replaceAll(/[\\{}]/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
