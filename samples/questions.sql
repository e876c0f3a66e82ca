-- Five questions to the SQLite output of `mailverdict batch`, one statement each.

-- How much is authenticated, failed, unprotected and undetermined, and why?
SELECT conclusion, reason, count(*) AS messages, round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS percent
FROM messages GROUP BY conclusion, reason ORDER BY messages DESC;

-- In whose name is mail faked, and from which networks and HELO names?
SELECT author_domain, network, helo, count(*) AS messages
FROM messages WHERE conclusion = 'failed' AND breakage IS NULL AND author_domain IS NOT NULL
GROUP BY author_domain, network, helo ORDER BY messages DESC LIMIT 10;

-- What looks legitimate and would be lost if the domain asked for rejection, and why?
SELECT author_domain, breakage, via, count(*) AS messages, max(applied_policy) AS policy
FROM messages WHERE breakage IS NOT NULL
GROUP BY author_domain, breakage, via ORDER BY messages DESC LIMIT 10;

-- Where did a receiver record something else than is found here?
SELECT authserv_id, standing, method, recorded.result AS recorded, found, recorded.reason, count(DISTINCT message_id) AS messages
FROM recorded WHERE comparison IN ('differs', 'explained')
GROUP BY authserv_id, standing, method, recorded.result, found, recorded.reason ORDER BY messages DESC LIMIT 10;

-- How does it develop, month by month?
SELECT strftime('%Y-%m', received_at) AS month, count(*) AS messages,
  sum(conclusion = 'authenticated') AS authenticated, sum(conclusion = 'failed') AS failed,
  sum(conclusion = 'unprotected') AS unprotected, sum(conclusion = 'undetermined') AS undetermined
FROM messages GROUP BY month ORDER BY month;
