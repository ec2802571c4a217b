/**
 * Options in, one checked object out. A settings file (YAML), the environment and flags are merged in this
 * order, the later winning, then checked as a whole: every problem is told, each with its place and value.
 */
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import { parseYamlLines } from '../lib/yaml.ts';
import { listOptions, type Option } from './options.ts';
import { type Settings, settingsSchema } from './settings-schema.ts';

export type { Settings };

/** Every option, in the order of the example file. */
export const options: readonly Option[] = listOptions(settingsSchema);

/** Values by dotted path, as flags and environment give them; undefined ones are not given. */
export type SettingValues = Readonly<Record<string, string | boolean | undefined>>;

export interface SettingSources {
  /** Path of the settings file; null for none. */
  readonly file: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** From the command line. */
  readonly flags: SettingValues;
}

/** One thing that is wrong. */
export interface SettingProblem {
  /** The settings file, or the variable or flag that gave the value. */
  readonly file: string;
  /** 0 where it comes from no file. */
  readonly line: number;
  readonly field: string;
  readonly value: unknown;
  readonly message: string;
}

/** Variables of these names are ours but no options. */
const otherVariables: readonly string[] = ['TALLYSTICK_SEED', 'TALLYSTICK_TOKEN', 'TALLYSTICK_CRASH'];

/**
 * Variables that look like ours and set nothing: as a rule misspelled. No error, since whoever runs the process may
 * set such ones too, as Kubernetes does for a service of that name.
 */
export function unknownVariables(environment: SettingSources['environment']): string[] {
  return Object.keys(environment).filter(
    (variable) =>
      variable.startsWith('TALLYSTICK_') &&
      !otherVariables.includes(variable) &&
      !/_(SERVICE|PORT)(_|$)/.test(variable) &&
      !options.some((option) => option.variable === variable),
  );
}

interface Merged {
  readonly values: Record<string, unknown>;
  /** Where a path was given a value outside the file. */
  readonly origins: Map<string, string>;
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

/** Reads and merges all sources. Throws `bad-settings` with `problems`: [{file, line, field, value, message}]. */
export async function readSettings(sources: SettingSources): Promise<Settings> {
  const { file, environment, flags } = sources;
  const merged = await readFileValues(file);
  const problems: SettingProblem[] = [];
  for (const option of options) {
    const { path, variable } = option;
    const text = variable === null ? undefined : environment[variable];
    if (variable !== null && text !== undefined) give(merged, path, fromText(option, text), variable);
  }
  const standard = traceVariable(environment);
  if (standard !== null && environment['TALLYSTICK_TRACE_ENDPOINT'] === undefined)
    give(merged, 'trace.endpoint', standard.value, standard.variable);
  for (const [path, value] of Object.entries(flags)) {
    const flag = `--${path.replaceAll('.', '-').replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value !== undefined) give(merged, path, value, flag);
  }
  const result = settingsSchema.safeParse(merged.values);
  if (!result.success)
    problems.push(...result.error.issues.flatMap((issue) => problemsOf(issue, merged, file)));
  if (result.success && problems.length === 0) return result.data;
  throw new CodedError(
    'bad-settings',
    `${problems.length} ${problems.length === 1 ? 'setting is' : 'settings are'} wrong`,
    {
      problems,
    },
  );
}

/** Where the standard variables of OpenTelemetry want traces sent; null where they say nothing of it. */
function traceVariable(
  environment: SettingSources['environment'],
): { readonly variable: string; readonly value: string | null } | null {
  const exact = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT';
  const base = 'OTEL_EXPORTER_OTLP_ENDPOINT';
  if (environment['OTEL_SDK_DISABLED'] === 'true') return { variable: 'OTEL_SDK_DISABLED', value: null };
  if (environment['OTEL_TRACES_EXPORTER'] === 'none')
    return { variable: 'OTEL_TRACES_EXPORTER', value: null };
  if (environment[exact]) return { variable: exact, value: environment[exact] };
  const shared = environment[base];
  return shared ? { variable: base, value: `${shared.replace(/\/$/, '')}/v1/traces` } : null;
}

async function readFileValues(file: string | null): Promise<Merged> {
  if (file === null) return { values: {}, origins: new Map(), lineOf: () => 0 };
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new CodedError('bad-settings', `settings file ${file} cannot be read`, { path: file }, { cause });
  });
  const { value, lineOf } = parseYamlLines(file, text);
  const values = value ?? {};
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new CodedError('bad-settings', `settings file ${file} holds no options`, { path: file });
  }
  return { values: values as Record<string, unknown>, origins: new Map(), lineOf };
}

// What is no number or boolean stays a text, which the schema refuses with the text as its value.
function fromText({ kind }: Option, text: string): unknown {
  if (kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (kind === 'number') return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
  return text;
}

function give({ values, origins }: Merged, path: string, value: unknown, origin: string): void {
  setAt(values, path.split('.'), value);
  origins.set(path, origin);
}

function setAt(
  target: Record<string, unknown>,
  [name = '', ...rest]: readonly string[],
  value: unknown,
): void {
  if (rest.length === 0) {
    target[name] = value;
    return;
  }
  const inner = target[name];
  const next = typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : {};
  target[name] = next;
  setAt(next, rest, value);
}

function problemsOf(issue: z.core.$ZodIssue, merged: Merged, file: string | null): SettingProblem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => problemAt([...issue.path, key], 'there is no such option', merged, file));
  }
  // A union says only that nothing fits; its branches say what is wrong.
  const [first] =
    issue.code === 'invalid_union'
      ? issue.errors.filter((branch) => branch.some(({ path }) => path.length > 0))
      : [];
  if (first !== undefined) {
    return first.flatMap((inner) =>
      problemsOf({ ...inner, path: [...issue.path, ...inner.path] }, merged, file),
    );
  }
  return [problemAt(issue.path, issue.message, merged, file)];
}

function problemAt(
  path: readonly PropertyKey[],
  message: string,
  merged: Merged,
  file: string | null,
): SettingProblem {
  const field = path.join('.');
  const origin = merged.origins.get(field);
  const value = path.includes('token') ? '(not shown)' : valueAt(merged.values, path);
  return {
    file: origin ?? file ?? '',
    line: origin === undefined ? merged.lineOf(path) : 0,
    field,
    value,
    message,
  };
}

function valueAt(target: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = target;
  for (const name of path)
    value =
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[name] : null;
  return value ?? null;
}

/** Options in which two settings differ, apart by whether SIGHUP puts them in force. */
export function changedOptions(
  before: Settings,
  after: Settings,
): { reloaded: string[]; needRestart: string[] } {
  const changed = options.filter(({ path }) => {
    const parts = path.split('.');
    return JSON.stringify(valueAt(before, parts)) !== JSON.stringify(valueAt(after, parts));
  });
  const paths = (reload: boolean): string[] =>
    changed.filter((option) => option.reload === reload).map(({ path }) => path);
  return { reloaded: paths(true), needRestart: paths(false) };
}

/** `now` with the options of `next` that can be reloaded. */
export function reloadedSettings(now: Settings, next: Settings): Settings {
  const result = structuredClone(now) as unknown as Record<string, unknown>;
  for (const { path, reload } of options)
    if (reload) setAt(result, path.split('.'), valueAt(next, path.split('.')));
  return result as unknown as Settings;
}
