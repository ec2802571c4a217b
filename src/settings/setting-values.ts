/** Kinds of values that settings have, and how an option tells what it is for. */
import { z } from 'zod';
import { parseAddress } from '../lib/address.ts';
import { parseDuration } from '../lib/duration.ts';
import { parseCron } from '../schedule/cron.ts';
import type { OptionNotes } from './options.ts';

/** Ceiling of lists in the settings: a longer one is a mistake. */
export const listMax = 10_000;

export const note = (
  description: string,
  notes: Omit<OptionNotes, 'description'> = {},
): OptionNotes & Record<string, unknown> => ({
  description,
  ...notes,
});
export const reload = { reload: true } as const;

export const address = () => z.string().transform((text, context) => checked(text, context, parseAddress));
export const duration = () => z.string().transform((text, context) => checked(text, context, parseDuration));
export const cron = () =>
  z.string().superRefine((text, context) => {
    const parsed = parseCron(text);
    if (typeof parsed === 'string') context.addIssue({ code: 'custom', message: parsed, input: text });
  });
export const path = () => z.string().min(1);

/** Certificate, key and whom to trust; `who` shows certificates to us. */
export const tls = (who: string) =>
  z.strictObject({
    cert: path().meta(
      note('Certificate chain (PEM), re-read when it changes.', { example: './tls/replica.pem' }),
    ),
    key: path().meta(note('Its key (PEM).', { example: './tls/replica.key' })),
    ca: path()
      .nullable()
      .default(null)
      .meta(note(`Signs the certificates that ${who} must show (mTLS).`, { example: './tls/ca.pem' })),
    allow: z
      .array(z.string().min(1))
      .max(listMax)
      .nullable()
      .default(null)
      .meta(
        note(`Names in the certificates of ${who} that may call; needs \`ca\`.`, { example: ['replica-2'] }),
      ),
  });

function checked<Value>(
  text: string,
  context: z.RefinementCtx,
  parse: (text: string) => Value | string,
): Value {
  const value = parse(text);
  if (typeof value !== 'string') return value;
  context.addIssue({ code: 'custom', message: value, input: text });
  return z.NEVER;
}
