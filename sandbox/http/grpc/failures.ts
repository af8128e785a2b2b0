import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { fromProto3JSON } from 'proto3-json-serializer';
import protobuf from 'protobufjs';
import type { Status } from '../../errors/google-error.ts';
import type { Json } from '../router.ts';
import { bytesOf } from './messages.ts';

/**
 * An error with its details, of which Google's front end has these:
 * https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto and error_details.proto beside it
 */
const PROTO = `
  syntax = "proto3";
  package google.rpc;
  message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }
  message RetryInfo { google.protobuf.Duration retry_delay = 1; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message Help {
    message Link { string description = 1; string url = 2; }
    repeated Link links = 1;
  }
`;

const ROOT = new protobuf.Root();
for (const name of ['any', 'duration'])
  ROOT.addJSON(protobuf.common.get(`google/protobuf/${name}.proto`)?.nested ?? {});
protobuf.parse(PROTO, ROOT);
const STATUS = ROOT.lookupType('google.rpc.Status');

/** How a call fails. */
export type Failure = Pick<StatusObject, 'code' | 'details'> & { readonly metadata?: Metadata };

/**
 * An error of Google's HTTP APIs, as gRPC carries it: code and message in the status, and both again with the details in
 * a trailer. https://grpc.io/docs/guides/error/#richer-error-model
 *
 * @param error the member `error` of the answer
 */
export function failure(error: Json): Failure {
  const code = status[error.status as Status] ?? status.UNKNOWN;
  const message = String(error.message ?? '');
  if (error.details === undefined) return { code, details: message };
  const whole = fromProto3JSON(STATUS, { code, message, details: error.details } as Json as never);
  const metadata = new Metadata();
  if (whole !== null) metadata.set('grpc-status-details-bin', bytesOf(STATUS, whole));
  return { code, details: message, metadata };
}

/** What a client of gRPC makes of a connection that ends without an answer. */
export const BROKEN: Failure = { code: status.UNAVAILABLE, details: 'Connection dropped' };

/** An error of the sandbox itself, whose answer has no form in gRPC. */
export const UNTOLD: Failure = { code: status.INTERNAL, details: 'The sandbox has no gRPC for its answer' };
