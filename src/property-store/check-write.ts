/** Whether a property that an application wants written can be: every fault with its field and reason. */
import { CodedError } from '../lib/coded-error.ts';
import { joinEntity } from '../property/entity.ts';
import type { Property } from '../property/property.ts';
import { propertyBytes, propertyBytesMax } from '../property/protobuf-size.ts';
import type { RecordProblem } from '../property/record-problem.ts';
import { storageProblems } from '../property/validate-record.ts';

/**
 * Greatest revision a writer may say it has read. A shard stamps above everything it has seen, so one write near the
 * end of int64 would leave it without revisions; this leaves as many as 100 days have nanoseconds.
 */
export const readRevisionMax = 2n ** 63n - 1n - 2n ** 53n;

/** The error for a member that is wrong; `problems` are all of them, the first is told. */
export function wrongMembers(problems: readonly RecordProblem[]): CodedError {
  const [first] = problems;
  const more = problems.length > 1 ? `, and ${problems.length - 1} more` : '';
  return new CodedError('bad-argument', `${first?.field || 'the request'}: ${first?.message ?? ''}${more}`, {
    field: first?.field ?? '',
    reason: first?.message ?? '',
    value: first?.value ?? null,
    problems: problems.map(({ field, value, message }) => ({ field, reason: message, value })),
  });
}

/** Throws `bad-argument` with every problem, `too-large`. */
export function checkWrite(property: Property): void {
  const bytes = propertyBytes(property);
  if (bytes > propertyBytesMax) {
    const reason = `has ${bytes} bytes; the ceiling is ${propertyBytesMax}`;
    const details = { field: 'property', reason, ceiling: propertyBytesMax };
    throw new CodedError('too-large', `property ${joinEntity(property).slice(0, 200)} ${reason}`, details);
  }
  const problems = [...storageProblems(property, 'property')];
  if (property.tags.length === 0)
    problems.push({ field: 'property.tags', value: [], message: 'must hold at least one tag' });
  if (property.modRevision > readRevisionMax) {
    const message = `must be at most ${readRevisionMax}, so that greater revisions are left`;
    problems.push({ field: 'property.metadata.modRevision', value: `${property.modRevision}`, message });
  }
  if (problems.length > 0) throw wrongMembers(problems);
}

/** Throws `bad-argument` unless group, name and id are given. */
export function checkNamed(entity: {
  readonly group: string;
  readonly name: string;
  readonly id: string;
}): void {
  const problems = (['group', 'name', 'id'] as const)
    .filter((field) => entity[field] === '')
    .map((field) => ({ field, value: '', message: 'is required and must not be empty' }));
  if (problems.length > 0) throw wrongMembers(problems);
}
