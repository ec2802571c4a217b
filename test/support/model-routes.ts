/** The calls of a model node: what it says of itself, and its repair streams. */
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { NodeQueryService } from '../../src/banyandb/generated/banyandb/database/v1/database_pb.ts';
import {
  type RepairRequest,
  type RepairResponse,
  RepairService,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import type { ModelNode } from './model-node.ts';
import { ModelRepairSession } from './model-repair-session.ts';

export interface NodeRoutesOptions {
  /** Called before each request is worked on. */
  readonly onRequest?: (request: RepairRequest, context: HandlerContext) => void;
  /** Replaces what is answered to a request. */
  readonly tamper?: (answers: RepairResponse[], request: RepairRequest | null) => RepairResponse[];
  /** What it says of where it repairs. */
  readonly repairAddress?: () => string;
}

export function nodeRoutes(node: ModelNode, options: NodeRoutesOptions): (router: ConnectRouter) => void {
  const { onRequest, tamper = (answers) => answers, repairAddress = () => node.name } = options;
  async function* repair(
    incoming: AsyncIterable<RepairRequest>,
    context: HandlerContext,
  ): AsyncGenerator<RepairResponse> {
    const session = new ModelRepairSession(node);
    try {
      for await (const request of incoming) {
        onRequest?.(request, context);
        yield* tamper(session.receive(request), request);
        if (session.ended !== null) break;
      }
      yield* tamper(session.close(), null);
    } finally {
      session.abort();
    }
    if (session.ended === 'unknown')
      throw new ConnectError('failed to receive tree summary request', Code.Unknown);
    if (session.ended === 'internal') throw new ConnectError('panic', Code.Internal);
  }
  return (router) => {
    router.service(RepairService, { repair });
    router.service(NodeQueryService, {
      getCurrentNode: () => ({
        node: { metadata: { name: node.name }, propertyRepairGossipGrpcAddress: repairAddress() },
      }),
    });
  };
}
