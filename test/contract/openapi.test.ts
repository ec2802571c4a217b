/** The endpoint's description of itself: valid OpenAPI 3.1 that names every route of the interface. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Cluster, type Json } from '../support/running-service.ts';

let cluster: Cluster;
let document: Json;

beforeAll(async () => {
  cluster = await Cluster.create();
  const one = await cluster.start('one');
  document = (await one.get('/openapi.json')).body;
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

test('is valid by the schema of OpenAPI 3.1, and all it refers to is in it', async () => {
  expect(document.openapi).toBe('3.1.0');
  const validator = new Validator();
  const { valid, errors } = await validator.validate(document);
  expect(errors ?? null).toBeNull();
  expect(valid).toBe(true);
  const missing = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].filter(
    ([, name]) => document.components.schemas[name ?? ''] === undefined,
  );
  expect(missing).toEqual([]);
});

test('the schema notices what is wrong', async () => {
  const { valid } = await new Validator().validate({ ...document, paths: { 'no-slash': { get: 1 } } });
  expect(valid).toBe(false);
});

test('names every route of the interface, each with a summary and its place in the path', () => {
  const wanted = `status groups shards shards/{group}/{shard} peers builds repairs runs runs/{id} runs/{id}/changes
    runs/{id}/events runs/{id}/cancel runs/{id}/pause runs/{id}/resume events pause resume differences
    properties properties/{group}/{name}/{id} search`;
  for (const path of wanted.split(/\s+/)) expect(Object.keys(document.paths)).toContain(`/v1/${path}`);
  for (const [path, methods] of Object.entries<Json>(document.paths)) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
    for (const operation of Object.values<Json>(methods)) {
      expect([path, operation.summary]).toEqual([path, expect.stringMatching(/\w/)]);
      const told = (operation.parameters ?? []).filter((one: Json) => one.in === 'path');
      expect([path, told.map(({ name }: Json) => name).sort()]).toEqual([path, named]);
    }
  }
});

test('says what stands for a number that a query leaves out', () => {
  const defaults = Object.entries<Json>(document.paths).flatMap(([path, { get }]) =>
    (get?.parameters ?? [])
      .filter(({ name }: Json) => ['limit', 'offset', 'after'].includes(name))
      .map(({ name, required, schema }: Json) => [`${path} ${name}`, required, schema.default]),
  );
  expect(defaults.sort()).toEqual([
    ['/v1/differences limit', false, 1_000],
    ['/v1/properties limit', false, 100],
    ['/v1/properties offset', false, 0],
    ['/v1/runs limit', false, 100],
    ['/v1/runs/{id}/changes after', false, 0],
    ['/v1/runs/{id}/changes limit', false, 100],
    ['/v1/search limit', false, 20],
  ]);
});
