import type { Route } from '../../http/router.ts';
import type { StorageRead } from './server.ts';

/** Says where the Storage Read API listens, which it does from the first such call on, and whom to trust there. */
export const storageReadRoutes = (storageRead: () => Promise<StorageRead>): Route[] => [
  {
    method: 'GET',
    path: '/sandbox/v1/bigquery:storage-read',
    handle: async () => {
      const { address, certificate } = await storageRead();
      return { address, certificate: certificate.path };
    },
  },
];
