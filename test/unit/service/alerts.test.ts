/** The alert rules name metrics and labels that there are. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorCodes } from '../../../src/lib/coded-error.ts';
import { parseYaml } from '../../../src/lib/yaml.ts';
import { Metrics } from '../../../src/service/metrics.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}

const text = readFileSync(new URL('../../../config/alerts.yaml', import.meta.url), 'utf8');
const { groups } = parseYaml('alerts.yaml', text) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const metrics = await new Metrics().registry.getMetricsAsJSON();
const known = new Set(metrics.map(({ name }) => name));

test('the alert rules are read as Prometheus would', () => {
  expect(rules.length).toBeGreaterThan(5);
  for (const { alert, expr, labels, annotations } of rules) {
    expect(alert).toMatch(/^Tallystick\w+$/);
    expect(expr).not.toBe('');
    expect(['page', 'ticket']).toContain(labels.severity);
    expect(annotations.summary).not.toBe('');
  }
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
});

test('every metric that a rule or the README names is one of ours', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const named = [...`${text}\n${readme}`.matchAll(/\btallystick_\w+/g)].map(([name]) => name);
  expect(named.filter((name) => name !== 'tallystick_' && !known.has(name))).toEqual([]);
  expect(named.length).toBeGreaterThan(rules.length - 1);
});

test('codes that a rule leaves out are in the catalogue', () => {
  const codes = [...text.matchAll(/code!="([\w-]+)"/g)].map(([, code]) => code);
  expect(codes).not.toEqual([]);
  for (const code of codes) expect(Object.keys(errorCodes)).toContain(code);
});
