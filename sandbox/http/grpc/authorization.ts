import type { Metadata } from '@grpc/grpc-js';

/** The header `authorization` of a call of gRPC. */
export const authorizationIn = (metadata: Metadata): string | undefined =>
  metadata.get('authorization')[0]?.toString();
