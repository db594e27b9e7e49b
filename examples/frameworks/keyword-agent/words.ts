/** Words of questions and descriptions, brought to one form. English, and no more of it than is needed. */

const STOP = new Set(
  `a an and are as at be by did do does for from give had has have how in into is it its list many may much of off on one or
  per rank show than that the their them there these they this those to under was were what when where which who whose with you
  each every all both some first next how ex value values column contains null primary key part composite reference level
  fall falls average mean median share number count total most least best worst must shall should`
    .split(/\s+/)
    .filter(Boolean),
);

/** The words of `text` that mean something, each in its stem. */
export function wordsOf(text: string): string[] {
  return (text.match(/[A-Za-z]+/g) ?? [])
    .flatMap((word) => word.replaceAll(/([a-z])([A-Z])/g, '$1 $2').split(' '))
    .map((word) => word.toLowerCase())
    .filter((word) => word.length > 1 && !STOP.has(word))
    .map(stem);
}

/** `queens` → `queen`, `fullest` → `full`, `ferries` → `ferry`, `burnt` → `burn`. */
export function stem(word: string): string {
  if (word.length <= 3) return word;
  const cut = (ending: RegExp, by: string): string | undefined => {
    const shorter = word.replace(ending, by);
    return shorter !== word && shorter.length >= 3 ? shorter : undefined;
  };
  return (
    cut(/ies$/, 'y') ??
    cut(/(?<=[xs]|ch|sh)es$/, '') ??
    cut(/(?<![su])s$/, '') ??
    cut(/(?:est|ing|ed|ly)$/, '') ??
    cut(/(?<=rn)t$/, '') ??
    word
  );
}
