// Sends page views and events through the SDK of Application Insights.
//
//     appinsights.js CONNECTION_STRING SESSIONS
'use strict';
const appInsights = require('applicationinsights');

const [connectionString, sessions] = process.argv.slice(2);
const client = new appInsights.TelemetryClient(connectionString);
client.config.disableStatsbeat = true;
client.context.tags[client.context.keys.cloudRole] = 'AOS';
const begin = Date.parse('2026-11-20T07:00:00Z');
const of = (session, user) => ({ 'ai.session.id': session, 'ai.user.id': user });
for (let n = 0; n < Number(sessions); n += 1) {
  const tagOverrides = of(`s-${n}`, `user${n % 3}`);
  for (const minute of [0, 1, 6]) {
    const time = new Date(begin + minute * 60000);
    client.trackPageView({
      id: `p-${n}-${minute}`, name: 'SalesTable', time, tagOverrides, properties: { LegalEntity: 'USMF' },
    });
  }
}
client.trackEvent({ name: 'UserLoggedOut', time: new Date(begin + 7 * 60000), tagOverrides: of('s-0', 'user0') });
client.trackTrace({ message: 'no sign-in' });
client.trackException({ exception: new Error('no sign-in') });
client.flush({ callback: (answer) => { console.log(answer); process.exit(0); } });
