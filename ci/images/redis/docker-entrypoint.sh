#!/bin/sh
# Redis as its public image starts it: arguments alone are the server's, root becomes the user redis, and others
# on the network are let in without a password unless the arguments ask for one.
set -e
case ${1-} in -* | *.conf) set -- redis-server "$@" ;; esac
[ "${1-}" = redis-server ] || exec "$@"
shift
# A configuration file comes first; what follows it, or stands in it, goes before this default.
case ${1-} in
'' | -*) set -- --protected-mode no "$@" ;;
esac
[ "$(id -u)" != 0 ] || set -- setpriv --reuid=redis --regid=redis --clear-groups -- redis-server "$@"
[ "$1" = setpriv ] || set -- redis-server "$@"
exec "$@"
