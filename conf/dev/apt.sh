# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# To be sourced: packages of Debian suites that this machine's apt does not use, from the repository that it does use, with
# an apt state of their own. The system's sources, lists and pins stay as they are.

# debian_repository [SUFFIX]: "URI KEYFILE" of the repository that this release (or its SUFFIX, as in "-security") comes
# from, in whichever form it is configured; nothing if there is none. KEYFILE is empty where apt's own keys are used.
debian_repository() {
    # shellcheck source=/dev/null
    _suite=$(. /etc/os-release && echo "$VERSION_CODENAME")${1:-}
    # shellcheck disable=SC2016 # apt's own variables
    _origin=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(ORIGIN) $(REPO_URI) $(SOURCESENTRY)' \
        'Created-By: Packages' | awk -v s="$_suite" '$1 == s && $2 == "main" && $3 == "Debian" { print $4, $5; exit }')
    # Where apt was never updated, or its lists are gone, only its sources can be asked; they may name the suite otherwise.
    # shellcheck disable=SC2016
    [ -n "$_origin" ] || _origin=$(apt-get indextargets --no-release-info \
        --format '$(RELEASE) $(COMPONENT) $(REPO_URI) $(SOURCESENTRY)' 'Created-By: Packages' |
        awk -v s="$_suite" '$1 == s && $2 == "main" { print $3, $4; exit }')
    [ -n "$_origin" ] || return 0
    _file=${_origin#* }
    echo "${_origin%% *} $(sed -n 's/^Signed-By: *\(\/.*\)/\1/p; s/.*signed-by=\([^] ]*\).*/\1/p' "${_file%:*}" | head -n 1)"
}

# debian_source "URI KEYFILE" SUITE...: lines for a list of sources.
debian_source() {
    _uri=${1%% *} _key=${1#* }
    shift
    for _suite in "$@"; do
        echo "deb ${_key:+[signed-by=$_key] }$_uri $_suite main"
    done
}

# own_apt DIRECTORY: apt's options for a state of its own there, with DIRECTORY/sources.list.
own_apt() {
    mkdir -p "$1/lists/partial"
    echo "-o Dir::Etc::sourcelist=$1/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$1/lists
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root"
}
