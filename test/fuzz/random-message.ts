/** Messages of any protobuf schema with values that their receiver may not expect. */
import {
  create,
  toBinary,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
} from '@bufbuild/protobuf';
import type { SeededRandom } from '../support/seeded-random.ts';
import { hostileBigint, hostileNumber, hostileText, randomBytes } from './hostile-values.ts';

/** Members of a list: a few, seldom more than some ceilings. */
function listLength(random: SeededRandom): number {
  return random.chance(0.02) ? 300 + random.below(300) : random.below(4);
}

/** Messages within messages: some may hold themselves. */
const depthMax = 8;

/** One message in its bytes. */
export function randomMessage(schema: DescMessage, random: SeededRandom): Buffer {
  return Buffer.from(toBinary(schema, makeMessage(schema, random, 0)));
}

function makeMessage(schema: DescMessage, random: SeededRandom, depth: number): Message {
  const members: Record<string, unknown> = {};
  for (const field of schema.fields) {
    if (random.chance(0.25) || (field.message !== undefined && depth === depthMax)) continue;
    const value =
      field.fieldKind === 'list'
        ? Array.from({ length: listLength(random) }, () => randomValue(field, random, depth))
        : randomValue(field, random, depth);
    if (field.oneof === undefined) members[field.localName] = value;
    else members[field.oneof.localName] = { case: field.localName, value };
  }
  return create(schema, members as never);
}

function randomValue(field: DescField, random: SeededRandom, depth: number): unknown {
  if (field.message !== undefined) return makeMessage(field.message, random, depth + 1);
  if (field.enum !== undefined) return random.below(6);
  switch (field.scalar) {
    case ScalarType.STRING:
      return random.chance(0.4) ? 'keep' : hostileText(random).toWellFormed();
    case ScalarType.BYTES:
      return randomBytes(random, random.pick([0, 1, 8, 63, 64, 65, 200]));
    case ScalarType.BOOL:
      return random.chance(0.5);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return BigInt.asUintN(64, hostileBigint(random));
    case ScalarType.INT64:
    case ScalarType.SFIXED64:
      return hostileBigint(random);
    case ScalarType.INT32:
      return hostileNumber(random) | 0;
    case ScalarType.UINT32:
      return random.chance(0.5) ? random.below(3) : hostileNumber(random);
    default:
      throw new Error(`no value for a member of type ${String(field.scalar)}`);
  }
}
