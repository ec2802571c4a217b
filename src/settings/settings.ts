/**
 * Options in, one checked object out. A settings file (YAML), the environment and flags are merged in this
 * order, the later winning, then checked as a whole: every problem is told, each with its place and value.
 */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import { logLevels } from '../lib/log.ts';
import { parseYaml } from '../lib/yaml.ts';
import { shardsMax } from '../property/group-settings.ts';
import { parseAddress } from './address.ts';
import { parseDuration } from './duration.ts';

const address = z.string().transform((text, context) => checked(text, context, parseAddress));
const duration = z.string().transform((text, context) => checked(text, context, parseDuration));

/** Every option there is, with its meaning; config/tallystick.yaml shows each with its default. */
export const settingsSchema = z
  .strictObject({
    name: z.string().min(1).max(200).default(() => hostname()).describe('What this replica calls itself in reports and logs.'),
    root: z.string().min(1).default('./tallystick-data').describe('The data root: properties, settings of groups, trees.'),
    listen: address.prefault('127.0.0.1:17960').describe('Where peers reach it (gRPC); port 0 takes a free one.'),
    insecureListen: z
      .boolean()
      .default(false)
      .describe('Listen on other than loopback addresses although there is no TLS.'),
    nodes: z.string().min(1).nullable().default(null).describe('A nodes file that lists the peers; re-read when it changes.'),
    shards: z
      .union([z.literal('all'), z.array(placedGroup()).max(10_000)])
      .default('all')
      .describe('Which shards belong here: all, or a list of groups with their shards.'),
    build: z
      .strictObject({
        interval: duration.prefault('1m').describe('How often trees of shards that changed are built.'),
      })
      .prefault({}),
    tls: z
      .strictObject({
        cert: z.string().min(1).describe('Certificate chain (PEM), re-read when it changes.'),
        key: z.string().min(1).describe('Its key (PEM).'),
        ca: z.string().min(1).nullable().default(null).describe('Signs the certificates that peers must show (mTLS).'),
        allow: z.array(z.string().min(1)).max(10_000).nullable().default(null).describe('Names of the peers that may call; needs `ca`.'),
      })
      .nullable()
      .default(null),
    log: z
      .strictObject({ level: z.enum(logLevels).default('info').describe('debug, info, warn, error or silent.') })
      .prefault({}),
  })
  .check(({ value, issues }) => {
    if (value.tls?.allow && value.tls.ca === null) {
      issues.push({ code: 'custom', message: 'an allow list needs `tls.ca`', path: ['tls', 'allow'], input: value.tls.allow });
    }
  });

export type Settings = z.output<typeof settingsSchema>;

function placedGroup() {
  return z.strictObject({
    group: z.string().min(1),
    shards: z.array(z.int().min(0).max(shardsMax - 1)).max(shardsMax).nullable().default(null),
  });
}

function checked<Value>(text: string, context: z.RefinementCtx, parse: (text: string) => Value | string): Value {
  const value = parse(text);
  if (typeof value !== 'string') return value;
  context.addIssue({ code: 'custom', message: value, input: text });
  return z.NEVER;
}

/** Values by dotted path, as flags and environment give them; undefined ones are not given. */
export type SettingValues = Readonly<Record<string, string | boolean | undefined>>;

export interface SettingSources {
  /** Path of the settings file; null for none. */
  readonly file: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** From the command line. */
  readonly flags: SettingValues;
}

/** Environment variables and the options they set. */
export const environmentNames: Readonly<Record<string, string>> = {
  TALLYSTICK_NAME: 'name',
  TALLYSTICK_ROOT: 'root',
  TALLYSTICK_LISTEN: 'listen',
  TALLYSTICK_NODES: 'nodes',
  TALLYSTICK_BUILD_INTERVAL: 'build.interval',
  TALLYSTICK_LOG_LEVEL: 'log.level',
  TALLYSTICK_TLS_CERT: 'tls.cert',
  TALLYSTICK_TLS_KEY: 'tls.key',
  TALLYSTICK_TLS_CA: 'tls.ca',
};

/** Reads and merges all sources. Throws `bad-settings` with `problems`: [{file, line, field, value, message}]. */
export async function readSettings({ file, environment, flags }: SettingSources): Promise<Settings> {
  const merged: Record<string, unknown> = file === null ? {} : await readSettingsFile(file);
  for (const [variable, path] of Object.entries(environmentNames)) setAt(merged, path, environment[variable]);
  for (const [path, value] of Object.entries(flags)) setAt(merged, path, value);
  const result = settingsSchema.safeParse(merged);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => ({
    file: file ?? '',
    line: 0,
    field: issue.path.join('.'),
    value: valueAt(merged, issue.path),
    message: issue.code === 'unrecognized_keys' ? `there is no option ${issue.keys.join(', ')}` : issue.message,
  }));
  throw new CodedError('bad-settings', `${problems.length} settings are wrong`, { problems });
}

async function readSettingsFile(file: string): Promise<Record<string, unknown>> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new CodedError('bad-settings', `settings file ${file} cannot be read`, { path: file }, { cause });
  });
  const value = parseYaml(file, text) ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new CodedError('bad-settings', `settings file ${file} holds no options`, { path: file });
  }
  return value as Record<string, unknown>;
}

function setAt(target: Record<string, unknown>, path: string, value: unknown): void {
  if (value === undefined) return;
  const [name = '', ...rest] = path.split('.');
  if (rest.length === 0) {
    target[name] = value;
    return;
  }
  const inner = target[name];
  const next = typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : {};
  target[name] = next;
  setAt(next, rest.join('.'), value);
}

function valueAt(target: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = target;
  for (const name of path) value = typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[name] : null;
  return value ?? null;
}
