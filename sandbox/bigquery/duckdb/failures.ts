import { GoogleError, invalidQuery } from '../../errors/google-error.ts';
import { MARK } from './mark.ts';

const KIND = /^(?:Failed to [a-z ]+: |Invalid Error: )*([A-Za-z ]+? Error): (.*)$/;

/** How a failure begins that has no words of BigQuery's. */
export const UNKNOWN = 'The sandbox failed';

/**
 * DuckDB's errors in BigQuery's words and without values: DuckDB quotes the text that it could not convert,
 * and the line of SQL that it stands in.
 */
export function queryFailure(error: unknown): GoogleError {
  if (error instanceof GoogleError) return error;
  if (!(error instanceof Error)) return new GoogleError('INTERNAL', `${UNKNOWN}.`);
  const first = error.message.split('\n')[0] ?? '';
  // A failure while streaming has its kind behind another.
  const [, kind = '', message = ''] = KIND.exec(first) ?? [];
  const quoted = /"([A-Za-z_][\w.]*)"/.exec(message)?.[1];
  switch (kind) {
    case 'Parser Error': {
      const near = /near "([\w.();,=<>*]{1,40})"/.exec(message)?.[1];
      return invalidQuery(`Syntax error: Unexpected ${near === undefined ? 'input' : `"${near}"`}`);
    }
    case 'Binder Error':
      if (/Referenced (column|table)/.test(message)) return invalidQuery(`Unrecognized name: ${quoted}`);
      return invalidQuery(plain(message));
    case 'Catalog Error': {
      const named = /with name "?([\w.]+)"? does not exist/.exec(message)?.[1];
      return invalidQuery(`The sandbox knows no ${named ?? 'such name'}`);
    }
    case 'Constraint Error': {
      const column = /NOT NULL constraint failed: [^.]+\.(\w+)/.exec(message)?.[1];
      if (column !== undefined) return invalidQuery(`Required field ${column} cannot be null`);
      return invalidQuery(plain(message));
    }
    case 'Conversion Error':
    case 'Out of Range Error':
      return invalidQuery(`Bad value in a conversion${quotedType(message)} (the value is not shown)`);
    case 'Invalid Input Error':
      if (error.message.includes(MARK)) return invalidQuery(error.message.split(MARK)[1] ?? '');
      return invalidQuery('Bad value in a function (the value is not shown)');
    case 'INTERRUPT Error':
      return cancelled();
    case 'TransactionContext Error':
      return new GoogleError('ABORTED', 'Transaction is aborted due to concurrent update.', {
        reason: 'invalidQuery',
      });
    case 'Out of Memory Error':
      return new GoogleError('FAILED_PRECONDITION', 'Resources exceeded during query execution.', {
        reason: 'resourcesExceeded',
      });
    default:
      return invalidQuery(`${UNKNOWN}: ${kind || error.name}`);
  }
}

export const cancelled = (): GoogleError =>
  new GoogleError('ABORTED', 'Job execution was cancelled: User requested cancellation', {
    reason: 'stopped',
  });

const quotedType = (message: string): string => {
  const type = /to (INT64|BIGINT|DOUBLE|BOOL|TIMESTAMP|DATE|BLOB|base64)/i.exec(message)?.[1];
  return type === undefined ? '' : ` to ${type}`;
};

/** What is quoted singly may be a value. */
const plain = (message: string): string => message.replace(/'[^']*'/g, "'…'");
