/** Base64 as protobuf JSON takes it: standard or URL alphabet, padded or not. */

/** Null unless the whole text is base64; Node's own decoder skips what it does not know. */
export function parseBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') === text) return bytes;
  let urlAlphabet = false;
  let standardAlphabet = false;
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0x3d) end -= 1;
  for (let position = 0; position < end; position += 1) {
    const code = text.charCodeAt(position);
    if (code === 0x2d || code === 0x5f) urlAlphabet = true;
    else if (code === 0x2b || code === 0x2f) standardAlphabet = true;
    else if (!isLetterOrDigit(code)) return null;
  }
  const padding = text.length - end;
  if (urlAlphabet && standardAlphabet) return null;
  if (padding > 2 || (padding > 0 && text.length % 4 !== 0) || end % 4 === 1) return null;
  return bytes;
}

function isLetterOrDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}
