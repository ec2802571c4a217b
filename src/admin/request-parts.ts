/** Parts that requests of several routes have in common. */
import { z } from 'zod';

/** Items of one page: they are held in memory. */
export const pageMax = 1_000;

export const page = z.coerce.number().int().min(1).max(pageMax).default(100);

/** A boolean in a query. */
export const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');

export const runPath = z.object({ id: z.string().min(1).max(100) });
