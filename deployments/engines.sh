#!/usr/bin/env bash
# The four engines a shop in production stands on, as plain processes of this machine: no container, no system
# service, nothing outside one directory. `engines.sh help` says how to use it.
set -euo pipefail

usage() {
  cat <<'TEXT'
engines.sh VERB [NAME]      NAME is postgres, mongo, redis or kafka

  up            start what does not run, wait until all four answer, print their addresses
  env           print the addresses again, as lines for `eval`
  versions      print what each engine is
  down          stop all and delete their data; downloads stay, so that the next `up` is fast
  start NAME    start one on the data it has, at the address it had, and wait until it answers
  stop NAME     stop one in good order
  kill NAME     SIGKILL, to the engine and all its child processes
  freeze NAME   SIGSTOP, to all of them: connections stay open and nobody answers
  thaw NAME     SIGCONT

All files are in ENGINES_DIR (target/engines of the repository if unset). Each directory is a set of engines of
its own, with ports of its own.

What is missing is installed where that is possible: PostgreSQL, Redis, Java and Maven by apt-get if you are root;
Kafka from Maven Central; and where there is no mongod, FerretDB, which speaks MongoDB's protocol, built with Go.
TEXT
}

KAFKA_VERSION=4.1.1
LOG4J_VERSION=2.24.3
FERRETDB_VERSION=v1.24.0
NAMES=(postgres mongo redis kafka)

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
directory=$(realpath -m "${ENGINES_DIR:-$repository/target/engines}")
tools=$directory/tools
data=$directory/data

fail() {
  echo "engines.sh: $*" >&2
  exit 1
}

say() { echo "engines.sh: $*" >&2; }

# --- what is needed -------------------------------------------------------------------------------------------

package() { # Debian packages
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then fail "please install: $*"; fi
  say "installing $*"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
    >>"$directory/install.log" 2>&1 || fail "apt-get could not install $*: see $directory/install.log"
}

# Debian keeps the server's programs of each version apart, out of PATH.
postgres_bin() {
  local found
  found=$(find /usr/lib/postgresql/*/bin -name initdb 2>/dev/null | sort -V | tail -1)
  [ -n "$found" ] || found=$(command -v initdb) || return 1
  dirname "$found"
}

need_tools() { command -v pgrep >/dev/null || package procps; }

need_postgres() { postgres_bin >/dev/null || package postgresql; }

need_redis() { command -v redis-server >/dev/null || package redis-server; }

need_kafka() {
  command -v java >/dev/null || package openjdk-17-jre-headless
  [ -d "$tools/kafka" ] && return
  command -v mvn >/dev/null || package maven
  say "downloading Kafka $KAFKA_VERSION"
  local build=$tools/kafka.part
  rm -rf "$build" && mkdir -p "$build"
  cat >"$build/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>engines</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$LOG4J_VERSION</version></dependency>
  </dependencies>
</project>
XML
  mvn -q -B -f "$build/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$build" \
    >>"$directory/install.log" 2>&1 || fail "Maven could not fetch Kafka: see $directory/install.log"
  mv "$build" "$tools/kafka"
}

# FerretDB 1.24 is the last version that needs no database beside it. `go install` builds one that refuses to
# start, as its version file is made by its release process: so its source is copied and the file put there.
need_mongo() {
  command -v mongod >/dev/null && return
  [ -x "$tools/ferretdb" ] && return
  command -v go >/dev/null || package golang
  local version
  version=$(go env GOVERSION)
  [ "$(printf '%s\n' go1.21 "$version" | sort -V | head -1)" = go1.21 ] ||
    fail "FerretDB needs Go 1.21 or newer, this is $version: install it from https://go.dev/dl, or install mongod"
  say "building FerretDB $FERRETDB_VERSION, for some minutes"
  local module=github.com/FerretDB/FerretDB build=$tools/ferretdb.part source
  source=$(cd / && go mod download -json "$module@$FERRETDB_VERSION" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p') ||
    fail "Go could not fetch FerretDB"
  rm -rf "$build" && cp -r "$source" "$build" && chmod -R u+w "$build"
  # What `go install` leaves out, without which it does not start; and the mark of what is changed next.
  echo "$FERRETDB_VERSION-atomic" >"$build/build/version/version.txt"
  # FerretDB finds a document and changes it in two steps, so that of two changes at once both win, whatever their
  # filters say. MongoDB promises that one does, and shops rely on it: updates take turns here.
  sed -i -e 's/^	"fmt"$/&\n	"sync"/' \
    -e 's/^func (h \*Handler) updateDocument(.*/&\n	updates.Lock()\n	defer updates.Unlock()\n/' \
    -e '$a// updates lets one update at a time find and change.\nvar updates sync.Mutex' "$build/internal/handler/msg_update.go"
  grep -q 'updates.Lock()' "$build/internal/handler/msg_update.go" || fail "FerretDB $FERRETDB_VERSION is not as expected"
  (cd "$build" && go build -buildvcs=false -o "$build/bin/" ./cmd/ferretdb) >>"$directory/install.log" 2>&1 ||
    fail "FerretDB could not be built: see $directory/install.log"
  mv "$build/bin/ferretdb" "$tools/ferretdb"
  rm -rf "$build"
}

# --- processes ------------------------------------------------------------------------------------------------

# A number that another process has by now is not ours: ours has a path of our directory on its command line.
# A zombie has no command line.
pid() { # name; nothing if it does not run
  local number
  number=$(cat "$directory/$1.pid" 2>/dev/null) || return 1
  grep -qaF -e "$(home "$1")" "/proc/$number/cmdline" 2>/dev/null || return 1
  echo "$number"
}

# PostgreSQL makes each child a session of its own: its process group is not the whole of it.
family() { # process: its descendants, itself first
  echo "$1"
  local child
  for child in $(pgrep -P "$1"); do family "$child"; done
}

signal() { # signal, processes that may be gone by now
  kill "-$1" "${@:2}" 2>/dev/null || true
}

# In a session of its own, which outlives the terminal; and holding nothing of ours: a pipe of whoever called us
# would stay open, and so would the lock.
launch() { # name, command
  local name=$1
  shift
  [ ! -f "$directory/$name.log" ] || mv "$directory/$name.log" "$directory/$name.log.old"
  setsid "$@" </dev/null >"$directory/$name.log" 2>&1 9>&- &
  echo $! >"$directory/$name.pid"
  # Until it has become the engine it is a copy of this script, which nobody may take for one that has ended.
  while kill -0 $! 2>/dev/null && ! pid "$name" >/dev/null; do sleep 0.01; done
}

# Ports are below those that Linux gives to outgoing connections (32768 and up): nobody takes one by chance while
# its engine is down.
port() { # name; the same each time
  local file=$directory/$1.port number
  if [ ! -f "$file" ]; then
    number=$((15000 + (RANDOM * 32768 + RANDOM) % 17000))
    while listens "$number"; do number=$((15000 + RANDOM % 17000)); done
    echo "$number" >"$file"
  fi
  cat "$file"
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

await() { # name
  local try
  for ((try = 0; try < 1200; try++)); do
    # Before the answer: one who listens at the port of a dead engine is somebody else.
    pid "$1" >/dev/null || fail "$1 ended: $(tail -3 "$directory/$1.log")"
    "answers_$1" && return
    sleep 0.1
  done
  fail "$1 does not answer: see $directory/$1.log"
}

# --- each engine ----------------------------------------------------------------------------------------------

# Where the data is. PostgreSQL refuses to be root, and its user may not be able to get here: then elsewhere.
home() { # name
  if [ "$1" = postgres ] && [ "$(id -u)" = 0 ] && ! as_postgres test -x "$directory"; then
    echo "/var/tmp/oxcart-engines-$(cksum <<<"$directory" | cut -d' ' -f1)/postgres"
  else
    echo "$data/$1"
  fi
}

as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups "$@")
  else
    "$@"
  fi
}

psql_as() { # user and password, database, arguments
  PGPASSWORD=$1 PGCONNECT_TIMEOUT=5 "$(postgres_bin)/psql" -X -q -t -h 127.0.0.1 -p "$(port postgres)" \
    -U "$1" -d "$2" -v ON_ERROR_STOP=1 "${@:3}"
}

launch_postgres() {
  local home bin
  home=$(home postgres) bin=$(postgres_bin)
  if [ ! -f "$home/PG_VERSION" ]; then
    rm -rf "$home" && mkdir -p "$home" && echo postgres >"$home.password"
    [ "$(id -u)" != 0 ] || chown postgres "$home" "$home.password"
    # With a password, so that a wrong one is refused as it is in production.
    as_postgres "$bin/initdb" -D "$home" -U postgres --pwfile="$home.password" -A scram-sha-256 \
      --encoding=UTF8 --locale=C.UTF-8 >>"$directory/install.log" || fail "initdb failed: see $directory/install.log"
    rm -f "$home.password"
  fi
  rm -f "$home/postmaster.pid"
  # 300 connections: some twenty programs with a pool of up to 16 each, some of them idle.
  local command=("$bin/postgres" -D "$home" -p "$(port postgres)" -c listen_addresses=127.0.0.1
    -c unix_socket_directories= -c max_connections=300 -c shared_buffers=128MB)
  [ "$(id -u)" != 0 ] || command=(setpriv --reuid=postgres --regid=postgres --init-groups "${command[@]}")
  launch postgres "${command[@]}"
}

answers_postgres() {
  psql_as postgres postgres -c 'SELECT 1' >/dev/null 2>&1 || return 1
  psql_as oxcart oxcart -c 'SELECT 1' >/dev/null 2>&1 && return
  psql_as postgres postgres -c "CREATE ROLE oxcart LOGIN CREATEDB PASSWORD 'oxcart'" \
    -c 'CREATE DATABASE oxcart OWNER oxcart' 2>>"$directory/install.log"
}

version_postgres() { echo "PostgreSQL $("$(postgres_bin)/postgres" --version | sed 's/^[^0-9]*\([0-9.]*\).*/\1/')"; }

launch_mongo() {
  mkdir -p "$(home mongo)"
  if command -v mongod >/dev/null; then
    launch mongo mongod --dbpath "$(home mongo)" --bind_ip 127.0.0.1 --port "$(port mongo)"
  else
    launch mongo "$tools/ferretdb" --handler=sqlite --sqlite-url="file:$(home mongo)/" --state-dir="$(home mongo)" \
      --listen-addr="127.0.0.1:$(port mongo)" --debug-addr=- --telemetry=disable --log-level=warn
  fi
}

answers_mongo() { listens "$(port mongo)"; }

version_mongo() {
  if command -v mongod >/dev/null; then
    echo "MongoDB $(mongod --version | sed -n 's/^db version v//p')"
  else
    echo "FerretDB $("$tools/ferretdb" --version | sed -n 's/^version: //p') (SQLite)"
  fi
}

# It is a cache of what the other engines know: nothing of it is worth keeping.
launch_redis() {
  mkdir -p "$(home redis)"
  launch redis redis-server --bind 127.0.0.1 --port "$(port redis)" --dir "$(home redis)" --save '' --appendonly no \
    --set-proc-title no
}

answers_redis() { [ "$(redis-cli -p "$(port redis)" ping 2>/dev/null)" = PONG ]; }

version_redis() { echo "Redis $(redis-server --version | sed 's/.* v=\([0-9.]*\).*/\1/')"; }

launch_kafka() {
  local home java
  home=$(home kafka)
  java=(java -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1
    -Dlog4j2.configurationFile="$home/log4j2.properties" -cp "$tools/kafka/*")
  mkdir -p "$home"
  cat >"$home/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$(port kafka-controller)
listeners=PLAINTEXT://127.0.0.1:$(port kafka),CONTROLLER://127.0.0.1:$(port kafka-controller)
advertised.listeners=PLAINTEXT://127.0.0.1:$(port kafka)
controller.listener.names=CONTROLLER
log.dirs=$home/logs
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
# A killed broker is let in again only when this time is over.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
PROPERTIES
  # The one line at level info says that the server has started.
  cat >"$home/log4j2.properties" <<'PROPERTIES'
rootLogger.level=warn
rootLogger.appenderRef.stdout.ref=stdout
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
appender.stdout.type=Console
appender.stdout.name=stdout
appender.stdout.layout.type=PatternLayout
appender.stdout.layout.pattern=%d %p %m (%c)%n
PROPERTIES
  [ -f "$home/logs/meta.properties" ] ||
    "${java[@]}" kafka.tools.StorageTool format -t oxcartoxcartoxcartoxcQ -c "$home/server.properties" \
      >>"$directory/install.log" 2>&1 || fail "Kafka's storage could not be made: see $directory/install.log"
  launch kafka "${java[@]}" kafka.Kafka "$home/server.properties"
}

# It listens before it can be used.
answers_kafka() { grep -q 'Kafka Server started' "$directory/kafka.log"; }

version_kafka() { echo "Apache Kafka $KAFKA_VERSION"; }

# --- verbs ----------------------------------------------------------------------------------------------------

up() {
  mkdir -p "$tools" "$data"
  lock
  local name started=()
  for name in tools "${NAMES[@]}"; do "need_$name"; done
  for name in "${NAMES[@]}"; do
    pid "$name" >/dev/null && continue
    "launch_$name"
    started+=("$name")
  done
  for name in "${started[@]}"; do await "$name"; done
  cat >"$directory/env" <<ENV
export DATABASE_URL='postgres://oxcart:oxcart@127.0.0.1:$(port postgres)/oxcart'
export MONGO_URI='mongodb://127.0.0.1:$(port mongo)/'
export REDIS_URL='redis://127.0.0.1:$(port redis)/'
export KAFKA_BROKERS='127.0.0.1:$(port kafka)'
ENV
  for name in "${NAMES[@]}"; do echo "$name $("version_$name")"; done >"$directory/versions"
  cat "$directory/env"
}

down() {
  lock
  local name
  for name in "${NAMES[@]}"; do
    stop "$name"
    rm -rf "$(home "$name")" "$directory/$name.port"
    rmdir "$(dirname "$(home "$name")")" 2>/dev/null || true
  done
  rm -rf "$data" "$directory/kafka-controller.port" "$directory/env" "$directory/versions"
}

start() {
  lock
  pid "$1" >/dev/null || "launch_$1"
  await "$1"
}

# PostgreSQL's SIGTERM waits for its clients; SIGINT does not.
stop() {
  local number all try polite=TERM
  number=$(pid "$1") || return 0
  [ "$1" != postgres ] || polite=INT
  mapfile -t all < <(family "$number")
  signal CONT "${all[@]}"
  signal "$polite" "$number"
  for ((try = 0; try < 300; try++)); do
    pid "$1" >/dev/null || break
    sleep 0.1
  done
  strike "$1"
  rm -f "$directory/$1.pid"
}

# Stopped first, an engine can't make children while they are counted. Gone means gone: PostgreSQL does not start
# while a child of the one before is there.
strike() {
  local number all process
  number=$(pid "$1") || return 0
  signal STOP "$number"
  mapfile -t all < <(family "$number")
  signal KILL "${all[@]}"
  for process in "${all[@]}"; do
    while [ -n "$(tr -d '\0' 2>/dev/null <"/proc/$process/cmdline")" ]; do sleep 0.02; done 2>/dev/null
  done
}

freeze() {
  local number all
  number=$(pid "$1") || fail "$1 does not run"
  signal STOP "$number"
  mapfile -t all < <(family "$number")
  signal STOP "${all[@]}"
}

thaw() {
  local number all
  number=$(pid "$1") || fail "$1 does not run"
  mapfile -t all < <(family "$number")
  signal CONT "${all[@]}"
}

# Two who start engines in one directory take turns.
lock() {
  mkdir -p "$directory"
  exec 9>"$directory/lock"
  flock 9
}

recall() { # file that `up` has written
  [ -f "$directory/$1" ] || fail "no engines in $directory: run engines.sh up"
  cat "$directory/$1"
}

verb=${1:-help} name=${2:-}
case $verb in
  start | stop | kill | freeze | thaw)
    [[ $# = 2 && " ${NAMES[*]} " = *" $name "* ]] || fail "$verb which one? ${NAMES[*]}"
    ;;
  *) [ $# -le 1 ] || fail "too many words: engines.sh help" ;;
esac
case $verb in
  up | down) "$verb" ;;
  env | versions) recall "$verb" ;;
  start | freeze | thaw) "$verb" "$name" ;;
  stop) lock && stop "$name" ;;
  kill) strike "$name" ;;
  help | --help | -h) usage ;;
  *) fail "unknown verb $verb: engines.sh help" ;;
esac
