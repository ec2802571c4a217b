/** Mutation tests by StrykerJS of the modules that everything rests on: the order, the codecs, the comparison, the winner. */
export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner', './config/mutation-plugins.ts'],
  vitest: { configFile: 'config/vitest.mutation.config.ts', related: false },
  coverageAnalysis: 'perTest',
  mutate: [
    'src/property/version.ts',
    'src/lib/varint.ts',
    'src/tree/tree-format.ts',
    'src/tree/tree-header.ts',
    'src/peer/wire-tree.ts',
    'src/peer/wire-pages.ts',
    'src/peer/wire-version.ts',
    'src/diff/*.ts',
  ],
  ignorers: ['sentences'],
  // What runs when a module is loaded would need all tests in a process of their own for each mutant.
  ignoreStatic: true,
  // Stryker rewrites it with an interface that TypeScript 7 no longer has; nothing here needs it rewritten.
  tsconfigFile: '',
  tempDirName: '.scratch/mutation',
  ignorePatterns: ['.scratch', 'dist'],
  reporters: ['clear-text', 'modules', 'json'],
  clearTextReporter: { allowColor: false, logTests: false, reportScoreTable: false },
  jsonReporter: { fileName: '.scratch/mutation.json' },
  allowConsoleColors: false,
  concurrency: 2,
};
