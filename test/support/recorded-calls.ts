/** The gRPC calls that were recorded between three nodes. */
import { readFileSync } from 'node:fs';
import { goldenRoot } from './golden.ts';

export interface RecordedMessage {
  readonly from: 'client' | 'server';
  readonly bytes: Buffer;
}

export interface RecordedCall {
  readonly call: number;
  readonly method: string;
  readonly client: string;
  readonly server: string;
  readonly messages: readonly RecordedMessage[];
}

interface Line {
  readonly call: number;
  readonly method?: string;
  readonly client?: string;
  readonly server?: string;
  readonly from?: 'client' | 'server';
  readonly hex?: string;
}

export function readRecordedCalls(): RecordedCall[] {
  const lines = readFileSync(`${goldenRoot}/ring-of-three/calls.ndjson`, 'utf8').trimEnd().split('\n');
  const calls = new Map<number, RecordedCall & { messages: RecordedMessage[] }>();
  for (const line of lines.map((text) => JSON.parse(text) as Line)) {
    const { call, method, client = '', server = '', from, hex } = line;
    if (method !== undefined) calls.set(call, { call, method, client, server, messages: [] });
    if (from !== undefined && hex !== undefined) {
      calls.get(call)?.messages.push({ from, bytes: Buffer.from(hex, 'hex') });
    }
  }
  return [...calls.values()];
}
