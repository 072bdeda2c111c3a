"""A producer written by hand, with Python's standard library alone: it debits an account in its own SQLite database and
sends a message about it; both, or neither. docs/fence.md has the rules that it follows.

    python3 bank.py [--port 8081] [--database bank.db] [--broker http://127.0.0.1:7400] [--account NAME]
"""
import argparse
import json
import os
import secrets
import sqlite3
import time
import urllib.error
import urllib.request
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GROUP = 'bank-by-hand'
MAX_AGE_S = 3600  # since a prepare was first sent
CALL_WITHIN_S = 10
CHECKS_WITHIN_S = 3  # all ids of one call of the broker

options = argparse.ArgumentParser()
options.add_argument('--port', type=int, default=8081)
options.add_argument('--database', default='bank.db')
options.add_argument('--broker', default=os.environ.get('ESCROWMQ_URL', 'http://127.0.0.1:7400'))
options.add_argument('--account', help='opened with 1,000 unless it is there')
options = options.parse_args()

TABLE = """create table if not exists escrow_fence (
  producer_group text not null,
  transaction_id text not null,
  branch text not null,
  op text not null,
  outcome text not null,
  token text not null,
  result text,
  created_at text not null,
  settled_at text,
  primary key (producer_group, transaction_id, branch, op)
) strict"""
CLAIM = """insert into escrow_fence (producer_group, transaction_id, branch, op, outcome, token, created_at)
  values (:group, :id, '', 'resolve', 'commit', :token, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"""
VERIFY = """select outcome, token, 1 as mine from escrow_fence
  where producer_group = :group and transaction_id = :id and branch = '' and op = 'resolve'"""
DECIDE = """insert into escrow_fence (producer_group, transaction_id, branch, op, outcome, token, created_at)
  values (:group, :id, '', 'resolve', 'rollback', :token, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  on conflict do nothing"""
READ = """select outcome, token from escrow_fence
  where producer_group = :group and transaction_id = :id and branch = '' and op = 'resolve'"""


class Refused(Exception):
    """Nothing was debited, and no message is sent."""


class Unknown(Exception):
    """Debited or not: the fence cannot be asked now. The broker will ask, and then it is known."""


def now():
    """Seconds, on a clock that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, 'CLOCK_BOOTTIME') else time.time()


def connect(lock_within_s=5.0):
    """Statements commit by themselves until `begin`."""
    db = sqlite3.connect(options.database, timeout=lock_within_s, isolation_level=None)
    db.execute('pragma synchronous = full')
    return db


def call(method, path, body=None, first_sent=None):
    """Status and body of the broker's answer. Repeats what got none, or may be repeated; at last raises OSError."""
    until = now() + CALL_WITHIN_S
    data = None if body is None else json.dumps(body).encode()
    while True:
        if first_sent is not None and now() - first_sent > MAX_AGE_S:
            raise Refused('the prepare is too old to be repeated')
        request = urllib.request.Request(options.broker + path, data, {'content-type': 'application/json'}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=CALL_WITHIN_S) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            if not problem['retryable'] or now() > until:
                return error.code, problem
        except OSError:
            if now() > until:
                raise
        time.sleep(0.2)


def debit(transfer, first_sent):
    """The local transaction. Returns once it is committed; whatever it raises, look at the fence."""
    row = {'group': GROUP, 'id': transfer['id'], 'token': secrets.token_hex(16)}
    with closing(connect()) as db:  # closing rolls back what is open
        db.execute('begin immediate')
        db.execute(CLAIM, row)
        if now() - first_sent > MAX_AGE_S:
            raise Refused('the prepare is too old')
        debited = db.execute(
            'update accounts set balance = balance - :amount where name = :from and balance >= :amount', transfer)
        if debited.rowcount != 1:
            raise Refused(f'{transfer["from"]} does not have {transfer["amount"]}')
        if db.execute(VERIFY, row).fetchone() != ('commit', row['token'], 1):
            raise Refused('the claim was lost')
        db.execute('commit')


def verdict(id, lock_within_s):
    """Writes `rollback` unless a row is there, and says what stands. None: not to be known now."""
    row = {'group': GROUP, 'id': id, 'token': secrets.token_hex(16)}
    with closing(connect(lock_within_s)) as db:
        try:
            db.execute(DECIDE, row)  # commits by itself
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            found = db.execute(READ, row).fetchone()
            return found[0] if found else 'unknown'
        found = db.execute(READ, row).fetchone()
        return found[0] if found else None


def tell(transaction, outcome):
    """Tells the broker what the fence says. False: it gave no answer, and will ask."""
    path = f'/v1/transactions/{transaction["id"]}/{outcome}'
    try:
        status, answer = call('POST', path)
        if status == 404 and outcome == 'commit':  # the broker was restored from a backup
            call('POST', '/v1/transactions', transaction)
            status, answer = call('POST', path)
    except OSError:
        return False
    if status == 409:
        raise SystemError(f'The fence says {outcome}, the broker {answer["state"]}: tell a person. {answer["detail"]}')
    return status == 200


def transfer_money(transfer):
    """Debits and sends, once for each id. Raises Refused or Unknown."""
    message = {'topic': 'transfers', 'key': transfer['to'], 'payload': json.dumps(transfer)}
    transaction = {'id': transfer['id'], 'group': GROUP, 'messages': [message]}
    first_sent = now()
    try:
        status, answer = call('POST', '/v1/transactions', transaction, first_sent)
    except OSError as error:
        raise Refused(f'the broker gives no answer: {error}') from error
    if status not in (200, 201):
        raise Refused(answer['detail'])
    if answer['state'] == 'rolled_back':
        raise Refused('this id was rolled back: take another one')
    why = None
    if answer['state'] == 'prepared':
        try:
            debit(transfer, first_sent)
            return {'outcome': 'committed', 'told': tell(transaction, 'commit')}
        except (Refused, sqlite3.Error) as error:
            why = error
    outcome = verdict(transfer['id'], 5.0)
    if outcome not in ('commit', 'rollback'):
        raise Unknown(str(why))
    told = tell(transaction, outcome)
    if outcome == 'rollback':
        raise Refused(str(why))
    return {'outcome': 'committed', 'repeated': True, 'told': told}


def answer_checks(asked):
    """What became of each transaction that the broker asks about; ids that cannot be known are left out."""
    until = now() + CHECKS_WITHIN_S
    resolutions = []
    for check in asked['checks']:
        left = until - now()
        if left < 0.1:
            break
        try:
            outcome = verdict(check['transactionId'], left - 0.1)
        except sqlite3.Error:
            continue
        if outcome is not None:
            resolutions.append({'transactionId': check['transactionId'], 'resolution': outcome})
    return {'group': GROUP, 'resolutions': resolutions}


class Bank(BaseHTTPRequestHandler):
    def do_GET(self):
        with closing(connect()) as db:
            rows = db.execute('select name, balance from accounts').fetchall()
        self.answer(200, dict(rows))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['content-length'])))
        if self.path == '/escrow/check':
            if body['group'] != GROUP:
                return self.answer(409, {'error': f'this is {GROUP}'})
            return self.answer(200, answer_checks(body))
        try:
            self.answer(200, transfer_money(body))
        except Refused as error:
            self.answer(422, {'outcome': 'not committed', 'why': str(error)})
        except Unknown as error:
            self.answer(500, {'outcome': 'unknown', 'why': str(error)})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


with closing(connect()) as db:
    db.execute('create table if not exists accounts (name text primary key, balance integer not null)')
    db.execute(TABLE)
    if options.account:
        db.execute('insert into accounts values (?, 1000) on conflict do nothing', [options.account])

server = ThreadingHTTPServer(('127.0.0.1', options.port), Bank)
address = f'http://127.0.0.1:{server.server_port}'
settings = {'checkUrl': f'{address}/escrow/check', 'check': {'afterMs': 2000, 'intervalMs': 2000}}
status, answer = call('PUT', f'/v1/producer-groups/{GROUP}', settings)
if status not in (200, 201):
    raise SystemExit(f'The broker refuses the group: {answer["detail"]}')
print(f'listening {address}', flush=True)
server.serve_forever()
