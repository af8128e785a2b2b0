/** Loaded before a program: writes what it took, as JSON, to file descriptor 3 when it ends. */
import { writeSync } from 'node:fs';

process.once('exit', () => {
  const { user, system } = process.cpuUsage();
  const { maxRSS } = process.resourceUsage();
  writeSync(3, JSON.stringify({ seconds: process.uptime(), cpu: (user + system) / 1e6, maxRssKb: maxRSS }));
});
