/** The shape of the sources: import direction, one importer per package, file names, lengths, no cycle, no foreign words. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileComplaints, layerComplaints, references, wordComplaints } from './support/layer-rules.ts';

const top = join(import.meta.dirname, '..');

/** Text of every TypeScript file below `folder`, keyed by its path from there with forward slashes. */
function sourcesBelow(folder: string): Map<string, string> {
  const names = readdirSync(join(top, folder), { recursive: true, encoding: 'utf8' });
  return new Map(
    names
      .filter((name) => name.endsWith('.ts'))
      .map((name) => [name.replaceAll('\\', '/'), readFileSync(join(top, folder, name), 'utf8')]),
  );
}

function dependencies(): Set<string> {
  const { dependencies: declared } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  return new Set(Object.keys(declared));
}

describe('the sources', () => {
  test('are found', () => {
    expect(sourcesBelow('src').size).toBeGreaterThan(10);
    expect(sourcesBelow('src').has('lib/bytes.ts')).toBe(true);
  });

  test('import downstream to upstream only, each package in one folder, without cycles', () => {
    expect(layerComplaints(sourcesBelow('src'), dependencies())).toEqual([]);
  });

  test('have short, kebab-case files and no index file', () => {
    const complaints = ['src', 'test'].flatMap((folder) =>
      [...sourcesBelow(folder)].flatMap(([path, text]) => fileComplaints(`${folder}/${path}`, text)),
    );
    expect(complaints).toEqual([]);
  });

  test('speak of the product only', () => {
    const texts = [...sourcesBelow('src')].map(([path, text]): [string, string] => [`src/${path}`, text]);
    for (const path of ['README.md', 'src/tree/FORMAT.md']) {
      if (existsSync(join(top, path))) texts.push([path, readFileSync(join(top, path), 'utf8')]);
    }
    expect(texts.flatMap(([path, text]) => wordComplaints(path, text))).toEqual([]);
  });
});

describe('the rules themselves', () => {
  const packages = new Set(['pino', 'zod', '@connectrpc/connect', '@bufbuild/protobuf']);
  const complain = (sources: Record<string, string>) =>
    layerComplaints(new Map(Object.entries(sources)), packages);

  test('accept a well-formed river', () => {
    const complaints = complain({
      'cli.ts': "import { run } from './commands/run.ts';\nimport { log } from './lib/log.ts';\n",
      'commands/run.ts':
        "import { log } from '../lib/log.ts';\nimport pkg from '../../package.json' with {};\n",
      'lib/log.ts': "import { pino } from 'pino';\nimport { join } from 'node:path';\n",
      'peer/messages.ts': "import { create } from '@bufbuild/protobuf';\n",
      'peer/generated/peer_pb.ts': "import { file } from '@bufbuild/protobuf/codegenv2';\n",
      'tree/build.ts': `import type { A } from '../lib/log.ts';\nconst a = new URL(\`./worker\${extension}\`, import.meta.url);\n`,
      'tree/worker.ts': '// says import nothing from anywhere\n',
    });
    expect(complaints).toEqual([]);
  });

  test.each([
    ['a static import', "import {\n  a,\n  b,\n} from '../tree/build.ts';"],
    ['a type import', "import type { A } from '../tree/build.ts';"],
    ['a side effect', "import '../tree/build.ts';"],
    ['a re-export', "export { a } from '../tree/build.ts';"],
    ['an export of all', "export * from '../tree/build.ts';"],
    ['a dynamic import', "const a = await import('../tree/build.ts');"],
    ['a type position', "let a: import('../tree/build.ts').A;"],
    ['a worker address', "new Worker(new URL('../tree/build.ts', import.meta.url));"],
    ['a worker address without extension', `new URL(\`../tree/build\${extension}\`, import.meta.url);`],
    ['a resolved address', "import.meta.resolve('../tree/build.ts');"],
  ])('see %s against the stream', (_, text) => {
    const complaints = complain({ 'lib/log.ts': `// head\n${text}\n`, 'tree/build.ts': 'export {};\n' });
    expect(complaints).toEqual(['src/lib/log.ts:2: lib may not import tree/build.ts']);
  });

  test.each([
    ['a computed import', { 'lib/a.ts': 'await import(name);' }, 'src/lib/a.ts:1 imports a computed address'],
    ['a strange folder', { 'utils/a.ts': '' }, 'src/utils/ is not in the list of folders'],
    ['a deeper folder', { 'lib/more/a.ts': '' }, 'src/lib/more/ is not in the list of folders'],
    ['a stray file', { 'main.ts': '' }, 'src/main.ts lies outside the folders'],
    [
      'an unknown package',
      { 'lib/a.ts': "import 'left-pad';" },
      'src/lib/a.ts:1 imports left-pad, which is no dependency',
    ],
    [
      'a way out',
      { 'lib/a.ts': "import '../../test/x.ts';" },
      'src/lib/a.ts:1 refers to ../test/x.ts, outside src',
    ],
    [
      'two importers',
      { 'lib/a.ts': "import 'pino';", 'tree/b.ts': "import 'pino/file';" },
      'pino is imported by lib and tree',
    ],
    [
      'two importers of a scoped package',
      { 'admin/a.ts': "import '@connectrpc/connect/x';", 'peer/b.ts': "import '@connectrpc/connect';" },
      '@connectrpc/connect is imported by admin and peer',
    ],
    [
      'a cycle of types',
      { 'lib/a.ts': "import type { B } from './b.ts';", 'lib/b.ts': "import type { A } from './a.ts';" },
      'cycle: lib/a.ts -> lib/b.ts -> lib/a.ts',
    ],
    [
      'an entry file that does more',
      { 'cli.ts': "import './tree/a.ts';", 'tree/a.ts': '' },
      'src/cli.ts:1: cli.ts may not import tree/a.ts',
    ],
  ])('see %s', (_, sources, complaint) => {
    expect(complain(sources)).toEqual([complaint]);
  });

  test('see the line and the address of a reference', () => {
    expect(references("\nimport a from 'pino';\n")).toEqual([{ line: 2, specifier: 'pino' }]);
  });

  test('see index files, other cases and long files', () => {
    expect(fileComplaints('src/lib/index.ts', '')).toEqual(['src/lib/index.ts is an index file']);
    expect(fileComplaints('src/lib/fileReader.ts', '')).toEqual([
      'src/lib/fileReader.ts: fileReader.ts is not kebab-case',
    ]);
    expect(fileComplaints('src/lib/file_reader.ts', '')).toHaveLength(1);
    expect(fileComplaints('test/a.test.ts', 'x\n'.repeat(300))).toEqual([]);
    expect(fileComplaints('test/a.test.ts', 'x\n'.repeat(301))).toEqual([
      'test/a.test.ts has 301 lines, more than 300',
    ]);
    expect(fileComplaints('src/peer/generated/peer_pb.ts', 'x\n'.repeat(301))).toEqual([]);
  });

  test.each(['at /home/somebody/x', 'in /tmp/x', 'see issue #4', 'order (W22)', '// TODO later'])(
    'see the foreign words in %j',
    (line) => {
      expect(wordComplaints('a.ts', `fine\n${line}`)).toHaveLength(1);
    },
  );
});
