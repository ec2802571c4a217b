/**
 * The words of texts, as search compares them: lowercase, without diacritics, letters and digits in runs, every
 * emoji a word. Runs of scripts that are written without spaces are words that match in their middle too.
 */

/** A run of letters and digits; `unspaced` where its script puts no spaces between words. */
export interface Word {
  readonly text: string;
  readonly unspaced: boolean;
}

const unspacedScripts =
  '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}ー';
const combiningDiacritics = /[\u0300-\u036f]/g;
const letters = `(?:(?![${unspacedScripts}])[\\p{L}\\p{N}\\p{M}])+`;
// A skin tone, a joiner or a variation selector is no word: an emoji is found in each of its forms.
const wordPattern = new RegExp(
  `([${unspacedScripts}]\\p{M}*)+|${letters}|\\p{Extended_Pictographic}|\\p{Regional_Indicator}{2}`,
  'gu',
);

/** Spells a text so that what people take for the same is the same: case, width, ligatures, accents. */
export function foldText(text: string): string {
  // Upper case first, so that ß is ss; the accents go before the rest is composed again, so that kana and Hangul stay whole.
  return text
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKD')
    .replace(combiningDiacritics, '')
    .normalize('NFKC')
    .replaceAll('ς', 'σ');
}

/** The words of a text, in order, repeated ones too. */
export function* wordsOf(text: string): Generator<Word> {
  for (const match of foldText(text).matchAll(wordPattern)) {
    yield { text: match[0], unspaced: match[1] !== undefined };
  }
}

/** Whether `word`, as it is asked for, is found in a word of a text. */
export function matchesWord(asked: Word, found: Word): boolean {
  if (asked.unspaced) return found.unspaced && found.text.includes(asked.text);
  return !found.unspaced && found.text.startsWith(asked.text);
}
