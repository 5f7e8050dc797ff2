#!/bin/sh
# Checks a spec in CI, and shows what a pull request or merge request changes.
# action.yml and gitlab.yml run it at the top of the repository, with
#
#   PASVCTL_SPEC     the spec: a file or a folder
#   PASVCTL_OUTPUT   the folder of its generated files
#   PASVCTL_ARCHIVE  URL of a release's pasvctl-VERSION-linux-ARCH.tar.gz; if it
#                    is empty, pasvctl is installed already
#   PASVCTL_SHA256   the archive's checksum, from the release's SHA256SUMS
#   PASVCTL_TOKEN    may write comments; if it is empty, or may not, the change
#                    is only in the job's summary (GitHub) or artifact (GitLab)
#   PASVCTL_BASE     GitHub: a commit of the branch that is compared with
#   PASVCTL_NUMBER   GitHub: the pull request's number
#
# It ends with the exit code of the first check that fails: 1 invalid, 2 a
# difference. A comment that cannot be written fails nothing.
set -eu

work=$(mktemp -d)
status=0
resume=

trap 'rm -rf "$work"; [ -z "$resume" ] || echo "::$resume::"' EXIT

# On GitHub a line that starts with "::" is a command to the runner, and a pull
# request's author writes what is printed here. Only `commands` lets them through.
# The runner reads stdout and stderr in no fixed order: they become one.
stop_commands() {
	exec 2>&1
	resume=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	echo "::stop-commands::$resume"
}

commands() {
	echo "::$resume::"
	"$@"
	echo "::stop-commands::$resume"
}

fail() {
	printf 'review: %s\n' "$*" >&2
	exit 1
}

install_pasvctl() {
	mkdir "$work/bin"
	curl --silent --show-error --fail --location --output "$work/archive" -- "$PASVCTL_ARCHIVE" || fail "cannot download $PASVCTL_ARCHIVE"
	(cd "$work" && printf '%s  archive\n' "$PASVCTL_SHA256" | sha256sum -c -) || fail "the checksum of $PASVCTL_ARCHIVE is not $PASVCTL_SHA256"
	tar -xzf "$work/archive" -C "$work/bin" pasvctl
	PATH=$work/bin:$PATH
}

# check runs pasvctl, and keeps the exit code of the first check that fails.
check() {
	printf '\n== pasvctl %s\n' "$*"
	code=0
	pasvctl "$@" || code=$?
	[ "$status" != 0 ] || status=$code
	return "$code"
}

# report writes the findings in a format for machines. It has no findings, and
# says nothing, if the spec cannot be opened.
report() {
	pasvctl validate --format "$1" -- "$spec" 2>/dev/null || true
}

# describe writes a page in markdown on what changed since commit $1. Each line
# of an error is indented, and so is text, whatever is in it. GitHub takes comments
# of 65,536 characters; pasvctl's page has at most 60,000 bytes.
describe() {
	printf "### pasvctl: \`%s\`\n\n" "$spec"
	if [ "$differs" = 2 ]; then
		printf '**The committed files are not those of the spec.** Run this, delete what it calls stale, and commit:\n\n    pasvctl generate "%s" -o "%s"\n\n' "$spec" "$output"
	fi
	if pasvctl plan --against "$1" --format markdown -- "$spec" >"$work/change" 2>"$work/why"; then
		cat "$work/change"
		return
	fi
	printf '**The change cannot be shown**, because pasvctl cannot plan the spec, as it is or as it was:\n\n'
	sed 's/^/    /' "$work/why" | head -c 60000
}

# common_commit is what HEAD and the target branch have in common.
common_commit() {
	at=$(git rev-parse --quiet --verify --end-of-options "$base^{commit}") && git merge-base HEAD "$at"
}

# untouched reports whether nothing beside the spec has changed since commit $1.
untouched() {
	folder=$spec
	[ -d "$spec" ] || folder=$(dirname -- "$spec")
	GIT_LITERAL_PATHSPECS=1 git diff --quiet "$1" HEAD -- "$folder" "$output"
}

# api asks METHOD URL, with a JSON file as the body. The token is not an argument,
# which others on the machine could read.
api() {
	method=$1 url=$2
	shift 2
	printf 'header = "Authorization: Bearer %s"\n' "$token" |
		curl --config - --silent --show-error --fail --max-time 60 --request "$method" --header 'Content-Type: application/json' "$@" -- "$url"
}

# comment updates the comment that starts with the marker and is $mine, a jq
# condition, or creates it.
comment() {
	list=$1 one=$2 update=$3 mine=$4
	page=1
	while [ "$page" -le 100 ]; do
		api GET "$list?per_page=100&page=$page" >"$work/comments" || return 1
		id=$(jq -r --arg marker "$marker" "map(select($mine and (.body // \"\" | startswith(\$marker))))[0].id // empty" "$work/comments") || return 1
		if [ -n "$id" ] || [ "$(jq length "$work/comments")" != 100 ]; then
			break
		fi
		page=$((page + 1))
	done
	if [ -n "$id" ]; then
		api "$update" "$one/$id" --data-binary "@$work/body" >/dev/null
	elif ! untouched "$common"; then
		api POST "$list" --data-binary "@$work/body" >/dev/null
	fi
}

# publish writes the page where it always can, and then as a comment.
publish() {
	# A comment for each spec.
	marker="<!-- pasvctl $(printf %s "$spec" | sha256sum | cut -c 1-16) -->"
	{ echo "$marker"; cat "$work/page"; } >"$work/text"
	jq -n --rawfile body "$work/text" '{body: $body}' >"$work/body"
	if [ -n "${GITHUB_ACTIONS:-}" ]; then
		cat "$work/page" >>"$GITHUB_STEP_SUMMARY"
		where=summary
		[ -n "$token" ] && comment "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues/$PASVCTL_NUMBER/comments" \
			"$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues/comments" PATCH '.user.login == "github-actions[bot]"' && return
	else
		cp "$work/page" pasvctl-change.md
		where="artifact pasvctl-change.md"
		notes=$CI_API_V4_URL/projects/$CI_MERGE_REQUEST_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes
		[ -n "$token" ] && api GET "$CI_API_V4_URL/user" >"$work/user" &&
			comment "$notes" "$notes" PUT ".author.id == $(jq .id "$work/user")" && return
	fi
	echo "review: no comment was written: what changes is in the job's $where"
}

token=${PASVCTL_TOKEN:-}
unset PASVCTL_TOKEN # pasvctl and git do without
spec=$PASVCTL_SPEC output=$PASVCTL_OUTPUT
if [ -n "${GITHUB_ACTIONS:-}" ]; then
	stop_commands
	base=${PASVCTL_BASE:-}
else
	base=${CI_MERGE_REQUEST_TARGET_BRANCH_SHA:-${CI_MERGE_REQUEST_DIFF_BASE_SHA:-}}
fi
# In a container the clone may have another owner than the job's user.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="$PWD"

[ -z "${PASVCTL_ARCHIVE:-}" ] || install_pasvctl
command -v pasvctl >/dev/null || fail "pasvctl is not on PATH: install it, or name a release's archive and its sha256"
pasvctl version

# A pull request may have links of these names.
rm -f pasvctl-change.md gl-code-quality-report.json
differs=0
if check validate -- "$spec"; then
	check generate --check -o "$output" -- "$spec" || differs=$?
fi
check fmt --check --diff -- "$spec" || true
if [ -n "${GITHUB_ACTIONS:-}" ]; then
	commands report github
else
	report gitlab >gl-code-quality-report.json
	[ -s gl-code-quality-report.json ] || echo '[]' >gl-code-quality-report.json
fi

if [ -n "$base" ]; then
	common=$(common_commit) ||
		fail "this clone has no commit that HEAD and $base have in common: clone the whole history (GitHub: fetch-depth: 0, GitLab: GIT_DEPTH: 0)"
	# pasvctl would compare with a folder of that name, which a pull request can make.
	[ ! -e "$common" ] || fail "a file or folder is named $common, as the commit to compare with"
	describe "$common" >"$work/page"
	printf '\n== what changes since %s\n' "$common"
	cat "$work/page"
	publish
fi
exit "$status"
