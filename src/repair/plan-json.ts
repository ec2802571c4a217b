/** Reads the parts of a plan's lines, refusing what does not fit with the field and its value. */
import { CodedError } from '../lib/coded-error.ts';
import { splitEntity } from '../property/entity.ts';
import { checkGroupSettings, type GroupSettings } from '../property/group-settings.ts';
import type { Spelling } from '../property/source-json.ts';
import { digestBytes, type Version } from '../property/version.ts';
import type { PlanCopy, PlanEntry, PlanLacker, PlanShardHead } from './plan.ts';

/** Ceiling of copies of a shard: a round over more replicas than this is a mistake in its settings. */
export const planPlacesMax = 256;

type Json = Readonly<Record<string, unknown>>;

const digestPattern = new RegExp(`^[0-9a-f]{${2 * digestBytes}}$`);
const int64Pattern = /^-?[0-9]{1,19}$/;

/** A `bad-plan` error for one field. */
export function badField(field: string, value: unknown): CodedError {
  return new CodedError('bad-plan', `${field} is ${JSON.stringify(value)?.slice(0, 200)}`, { field, value });
}

export function objectField(value: unknown, field: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badField(field, value);
  return value as Json;
}

export function textField(json: Json, field: string): string {
  const value = json[field];
  if (typeof value !== 'string' || value === '') throw badField(field, value);
  return value;
}

export function countField(json: Json, field: string): number {
  const value = json[field];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw badField(field, value);
  return value;
}

/** A list of one to {@link planPlacesMax} elements (none too where `least` is 0), each read by `read`. */
export function listField<T>(json: Json, field: string, read: (value: unknown) => T, least = 1): T[] {
  const value = json[field];
  if (!Array.isArray(value) || value.length < least || value.length > planPlacesMax)
    throw badField(field, value);
  return value.map(read);
}

export function placeValue(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw badField('place', value);
  return value;
}

export function shardHeadFromJson(value: unknown): PlanShardHead {
  const json = objectField(value, 'shard');
  return {
    group: textField(json, 'group'),
    shard: countField(json, 'shard'),
    settings: json['settings'] === null ? null : settingsFromJson(json['settings']),
    spelling: json['spelling'] === null ? null : spellingField(json),
    copies: listField(json, 'copies', copyFromJson),
  };
}

export function entryFromJson(json: Json): PlanEntry {
  const entity = textField(json, 'entity');
  const group = textField(json, 'group');
  if (splitEntity(entity).group !== group) throw badField('entity', entity);
  return {
    group,
    shard: countField(json, 'shard'),
    entity,
    winner: versionFromJson(json['winner'], 'winner'),
    holders: listField(json, 'holders', placeValue),
    lackers: listField(json, 'lackers', lackerFromJson),
  };
}

function copyFromJson(value: unknown): PlanCopy {
  const json = objectField(value, 'copies');
  const liveLeaves = json['liveLeaves'] === null ? null : countField(json, 'liveLeaves');
  return { place: textField(json, 'place'), leaves: countField(json, 'leaves'), liveLeaves };
}

function lackerFromJson(value: unknown): PlanLacker {
  const json = objectField(value, 'lackers');
  const before = json['before'] === null ? null : versionFromJson(json['before'], 'before');
  const place = textField(json, 'place');
  return json['heldBack'] === undefined
    ? { place, before }
    : { place, before, heldBack: textField(json, 'heldBack') };
}

function versionFromJson(value: unknown, field: string): Version {
  const json = objectField(value, field);
  const digest = textField(json, 'digest');
  if (!digestPattern.test(digest)) throw badField(`${field}.digest`, digest);
  return {
    revision: int64Field(json, 'revision'),
    deleteTime: int64Field(json, 'deleteTime'),
    digest: Buffer.from(digest, 'hex'),
  };
}

function int64Field(json: Json, field: string): bigint {
  const text = textField(json, field);
  const value = int64Pattern.test(text) ? BigInt(text) : null;
  if (value === null || BigInt.asIntN(64, value) !== value) throw badField(field, text);
  return value;
}

function settingsFromJson(value: unknown): GroupSettings {
  const json = objectField(value, 'settings');
  const settings = {
    shards: countField(json, 'shards'),
    slots: countField(json, 'slots'),
    spelling: spellingField(json),
  };
  checkGroupSettings(settings);
  return settings;
}

function spellingField(json: Json): Spelling {
  const value = json['spelling'];
  if (value !== 'compact' && value !== 'spaced') throw badField('spelling', value);
  return value;
}
