/** The options of the schema as a list: path, kind, meaning, default, variable. For the example file, the environment and reloading. */
import { z } from 'zod';

/** What the schema says of an option beside its type. */
export interface OptionNotes {
  readonly description: string;
  /** A value to show where the default is none. */
  readonly example?: unknown;
  /** Whether SIGHUP puts another value in force; otherwise it takes a restart. */
  readonly reload?: boolean;
}

export interface Option {
  /** Dotted path in the settings file. */
  readonly path: string;
  readonly kind: 'text' | 'number' | 'boolean' | 'list';
  readonly meaning: string;
  /** As it would be written in the file; null where there is none. */
  readonly standard: unknown;
  readonly example: unknown;
  readonly reload: boolean;
  /** Environment variable; null for lists. */
  readonly variable: string | null;
}

/** Every option of a settings schema, in its order. */
export function listOptions(schema: z.ZodType, path: readonly string[] = []): Option[] {
  const notes = schema.meta() as OptionNotes | undefined;
  const { inner, standard } = unwrap(schema);
  if (inner instanceof z.ZodObject && notes === undefined) {
    return Object.entries(inner.shape).flatMap(([name, part]) =>
      listOptions(part as z.ZodType, [...path, name]),
    );
  }
  const kind = kindOf(inner);
  return [
    {
      path: path.join('.'),
      kind,
      meaning: notes?.description ?? '',
      standard,
      example: notes?.example ?? standard,
      reload: notes?.reload ?? false,
      variable: kind === 'list' ? null : variableOf(path),
    },
  ];
}

function variableOf(path: readonly string[]): string {
  const words = path.map((name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return ['TALLYSTICK', ...words].join('_');
}

// Defaults, null and transforms lie around the type that a value in the file has.
function unwrap(schema: z.ZodType): { inner: z.ZodType; standard: unknown } {
  let inner = schema;
  let standard: unknown = null;
  for (;;) {
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
      standard ??= inner.def.defaultValue;
      inner = inner.def.innerType as z.ZodType;
    } else if (inner instanceof z.ZodNullable || inner instanceof z.ZodOptional)
      inner = inner.def.innerType as z.ZodType;
    else if (inner instanceof z.ZodPipe) inner = inner.def.in as z.ZodType;
    else return { inner, standard };
  }
}

function kindOf(inner: z.ZodType): Option['kind'] {
  if (inner instanceof z.ZodBoolean) return 'boolean';
  if (inner instanceof z.ZodNumber) return 'number';
  if (inner instanceof z.ZodArray || inner instanceof z.ZodUnion || inner instanceof z.ZodObject)
    return 'list';
  return 'text';
}
