/** What the mutation tests have beside StrykerJS itself: what is not mutated, and the score of each module. */

/** Share of the mutants of each module that must die, in per cent. */
const scoreMin = 90;

interface SyntaxNode {
  readonly type: string;
  readonly value?: unknown;
}

/** Sentences are for people: which words stand in them is not for tests to hold. */
const sentences = {
  shouldIgnore({ node }: { readonly node: SyntaxNode }): string | undefined {
    const isText = node.type === 'StringLiteral' && String(node.value).includes(' ');
    return isText || node.type === 'TemplateLiteral' ? 'a sentence' : undefined;
  },
};

interface MutationReport {
  readonly files: Readonly<Record<string, { readonly mutants: readonly { readonly status: string }[] }>>;
}

const killed: readonly string[] = ['Killed', 'Timeout'];
const alive: readonly string[] = ['Survived', 'NoCoverage'];

/** A line for each module and a summary; exit code 1 where a module is below {@link scoreMin}. */
const modules = {
  onMutationTestReportReady({ files }: MutationReport): void {
    const totals = { mutants: 0, killed: 0 };
    let scoreLeast = 100;
    for (const [file, { mutants }] of Object.entries(files).sort()) {
      const dead = mutants.filter(({ status }) => killed.includes(status)).length;
      const counted = dead + mutants.filter(({ status }) => alive.includes(status)).length;
      const score = scoreOf(dead, counted);
      console.log(`${score.toFixed(1).padStart(6)} %  ${String(dead).padStart(4)} of ${counted}  ${file}`);
      scoreLeast = Math.min(scoreLeast, score);
      totals.mutants += counted;
      totals.killed += dead;
    }
    const score = scoreOf(totals.killed, totals.mutants);
    console.log(JSON.stringify({ summary: { ...totals, score, scoreLeast, scoreMin } }));
    if (scoreLeast < scoreMin) process.exitCode = 1;
  },
};

function scoreOf(dead: number, counted: number): number {
  return counted === 0 ? 100 : Math.floor((1_000 * dead) / counted) / 10;
}

export const strykerPlugins = [
  { kind: 'Ignore', name: 'sentences', value: sentences },
  { kind: 'Reporter', name: 'modules', value: modules },
];
