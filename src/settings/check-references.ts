/** Whether the files that settings name can be read; what is in them is checked by who uses them. */
import { access, constants } from 'node:fs/promises';
import { CodedError } from '../lib/coded-error.ts';
import { NodesFile } from '../peer/nodes-file.ts';
import type { SettingProblem, Settings } from './settings.ts';

/** Throws `bad-settings` with a problem for every file that cannot be read, and those of the nodes file. */
export async function checkReferences(file: string, settings: Settings): Promise<void> {
  const problems: SettingProblem[] = [];
  for (const [field, path] of namedFiles(settings)) {
    const found = await access(path, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (!found) problems.push({ file, line: 0, field, value: path, message: 'this file cannot be read' });
    else if (field.endsWith('nodes')) problems.push(...nodesProblems(path));
  }
  if (problems.length > 0)
    throw new CodedError('bad-settings', `${problems.length} settings are wrong`, { problems });
}

function namedFiles({ nodes, tls, admin, property, banyandb }: Settings): [string, string][] {
  const files: [string, string | null][] = [['nodes', nodes]];
  for (const [section, part] of [
    ['tls', tls],
    ['admin.tls', admin.tls],
    ['property.tls', property.tls],
  ] as const) {
    for (const name of ['cert', 'key', 'ca'] as const)
      files.push([`${section}.${name}`, part?.[name] ?? null]);
  }
  for (const [position, { tokenFile }] of admin.tokens.entries())
    files.push([`admin.tokens.${position}.tokenFile`, tokenFile]);
  for (const [position, cluster] of banyandb.entries()) {
    for (const name of ['nodes', 'tlsCa', 'tlsCert', 'tlsKey', 'repairTlsCa'] as const)
      files.push([`banyandb.${position}.${name}`, cluster[name]]);
  }
  return files.flatMap(([field, path]): [string, string][] => (path === null ? [] : [[field, path]]));
}

function nodesProblems(path: string): SettingProblem[] {
  try {
    new NodesFile(path).read();
    return [];
  } catch (error) {
    const { details, message } = CodedError.from(error);
    const { problems } = details;
    if (!Array.isArray(problems)) return [{ file: path, line: 0, field: 'nodes', value: path, message }];
    return problems.map((problem: Omit<SettingProblem, 'file'>) => ({ ...problem, file: path }));
  }
}
