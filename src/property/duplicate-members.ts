/**
 * Finds members that stand twice in one JSON object, which JSON.parse hides by keeping the last. Callers
 * first rule the case out in a cheaper way where they can; this reads the text character by character.
 */
import { joinField, recordProblemsMax } from './record-problem.ts';
import { endOfString } from './source-json.ts';

export interface DuplicateMember {
  /** Path of the member from the top of the text. */
  readonly field: string;
  readonly name: string;
}

// An open object or array: `names` is null for an array, `current` the member or position we are in.
interface Open {
  readonly names: Set<string> | null;
  current: string | number;
}

/** The duplicate members of `text`, which must be JSON, in order; at most as many as a record may have problems. */
export function findDuplicateMembers(text: string): DuplicateMember[] {
  const found: DuplicateMember[] = [];
  const open: Open[] = [];
  for (let position = 0; position < text.length; position += 1) {
    const code = text.charCodeAt(position);
    const top = open.at(-1);
    if (code === 0x7b || code === 0x5b) {
      open.push({ names: code === 0x7b ? new Set() : null, current: 0 });
    } else if (code === 0x7d || code === 0x5d) {
      open.pop();
    } else if (code === 0x2c && top !== undefined && top.names === null) {
      top.current = Number(top.current) + 1;
    } else if (code === 0x22) {
      const end = endOfString(text, position);
      if (top?.names && followedByColon(text, end + 1)) {
        const name = JSON.parse(text.slice(position, end + 1)) as string;
        top.current = name;
        if (top.names.has(name)) {
          found.push({ field: open.reduce((path, { current }) => joinField(path, current), ''), name });
          if (found.length === recordProblemsMax) return found;
        }
        top.names.add(name);
      }
      position = end;
    }
  }
  return found;
}

function followedByColon(text: string, start: number): boolean {
  for (let position = start; position < text.length; position += 1) {
    const code = text.charCodeAt(position);
    if (code === 0x3a) return true;
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return false;
  }
  return false;
}
