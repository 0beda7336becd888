/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between versions is data: three functions that the table fills. _nidus_options CMD prints a subcommand's options, _nidus_keys OPTION
 * what an option's argument is made of, a word NAME:KIND per key; NAME is empty where it is left out, KIND says what stands after it:
 * choices with | between them, @file, @dir, @bdf, @tap, or nothing known. A flag has no colon. The code below them is fixed.
 */
#include "vmm/completion.h"
#include "vmm/options.h"

static const struct {
	const char *name;
	enum opt_cmd cmd;
} commands[] = {
	{ "run", CMD_RUN }, { "check", CMD_CHECK }, { "show", CMD_SHOW },
};

static const char body[] =
	"_nidus_kind() # KIND PREFIX WORD: candidates PREFIX... for a value that begins with WORD\n"
	"{\n"
	"	case $1 in\n"
	"	@file) compgen -P \"$2\" -f -- \"$3\" ;;\n"
	"	@dir) compgen -P \"$2\" -d -- \"$3\" ;;\n"
	"	@bdf) compgen -P \"$2\" -W \"$(ls /sys/bus/pci/devices 2>/dev/null)\" -- \"$3\" ;;\n"
	"	@tap) compgen -P \"$2\" -W \"$(ls /sys/class/net 2>/dev/null)\" -- \"$3\" ;;\n"
	"	*) compgen -P \"$2\" -W \"${1//|/ }\" -- \"$3\" ;;\n"
	"	esac\n"
	"}\n"
	"\n"
	"_nidus_value() # OPTION VALUE: candidates for an option's argument\n"
	"{\n"
	"	local before='' last=$2 key keys\n"
	"	keys=$(_nidus_keys \"$1\")\n"
	"	if [[ $last == *,* && $keys == *' '* ]]; then\n"
	"		before=${last%,*},\n"
	"		last=${last##*,}\n"
	"	fi\n"
	"	for key in $keys; do\n"
	"		if [[ $key == :* ]]; then\n"
	"			[[ $before ]] || _nidus_kind \"${key#:}\" '' \"$last\"\n"
	"		elif [[ $last == ${key%%:*}=* ]]; then\n"
	"			_nidus_kind \"${key#*:}\" \"$before${last%%=*}=\" \"${last#*=}\"\n"
	"		elif [[ ,$before != *,${key%%:*}[,=]* && $key == *:* ]]; then\n"
	"			compgen -W \"$before${key%%:*}=\" -- \"$before$last\"\n"
	"		elif [[ ,$before != *,$key,* && $key != *:* ]]; then\n"
	"			compgen -W \"$before$key\" -- \"$before$last\"\n"
	"		fi\n"
	"	done\n"
	"}\n"
	"\n"
	"_nidus() # the whole word at the cursor is completed, then cut where readline does\n"
	"{\n"
	"	local line=${COMP_LINE:0:COMP_POINT} cur='' words cmd prev reply cut i\n"
	"	read -ra words <<<\"$line\"\n"
	"	if [[ $line != *[[:space:]] ]]; then\n"
	"		cur=${words[${#words[@]} - 1]}\n"
	"		unset \"words[${#words[@]} - 1]\"\n"
	"	fi\n"
	"	cmd=${words[1]-}\n"
	"	prev=${words[${#words[@]} - 1]}\n"
	"	if [[ ${#words[@]} -lt 2 ]]; then\n"
	"		reply=$(compgen -W 'run check bind unbind show --help --version' -- \"$cur\")\n"
	"	elif [[ $cur == --*=* ]]; then\n"
	"		reply=$(_nidus_value \"${cur%%=*}\" \"${cur#*=}\" | sed \"s|^|${cur%%=*}=|\")\n"
	"	elif [[ $prev == -* && $(_nidus_keys \"$prev\") == *:* ]]; then\n"
	"		reply=$(_nidus_value \"$prev\" \"$cur\")\n"
	"	elif [[ $cmd == show && ${#words[@]} == 2 && $cur != -* ]]; then\n"
	"		reply=$(compgen -W 'acpi memmap pci config man completion' -- \"$cur\")\n"
	"	elif [[ $cmd == bind || $cmd == unbind || ($cmd == check && $cur != -*) ]]; then\n"
	"		reply=$(_nidus_kind @bdf '' \"$cur\")\n"
	"	else\n"
	"		reply=$(compgen -W \"$(_nidus_options \"$cmd\")\" -- \"$cur\")\n"
	"	fi\n"
	"	mapfile -t COMPREPLY < <(printf '%s' \"$reply\")\n"
	"	# More may follow a key and a folder: no blank after these.\n"
	"	if [[ ${#COMPREPLY[@]} == 1 && -d ${COMPREPLY[0]} && ${COMPREPLY[0]} != */ ]]; then\n"
	"		COMPREPLY[0]+=/\n"
	"	fi\n"
	"	if [[ $cur != *,* && $(_nidus_keys \"$prev\") == :@[fd]* ]]; then\n"
	"		# Quoted by readline.\n"
	"		compopt -o filenames 2>/dev/null\n"
	"	fi\n"
	"	[[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *[=/:] ]] || compopt -o nospace 2>/dev/null\n"
	"	for cut in = :; do\n"
	"		[[ $COMP_WORDBREAKS == *$cut* && $cur == *$cut* ]] || continue\n"
	"		for i in \"${!COMPREPLY[@]}\"; do COMPREPLY[i]=${COMPREPLY[i]#\"${cur%\"$cut\"*}$cut\"}; done\n"
	"		cur=${cur##*\"$cut\"}\n"
	"	done\n"
	"}\n"
	"complete -F _nidus nidus\n";

static const char *kind(const struct opt_key *k)
{
	static const struct {
		const char *meta, *kind;
	} known[] = {
		{ "FILE", "@file" }, { "PATH", "@file" }, { "DIR", "@dir" }, { "BDF", "@bdf" }, { "IF", "@tap" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(k->meta, known[i].meta) == 0)
			return known[i].kind;
	}
	return k->kind == OPT_ONOFF || k->kind == OPT_TRI ? "on|off" : "";
}

static void choices(FILE *f, const char *sep, const char *prefix, const char *const *choice)
{
	for (; *choice; choice++) {
		if (**choice) {
			fprintf(f, "%s%s%s", sep, prefix, *choice);
			sep = "|";
		}
	}
}

static void key(FILE *f, const struct opt *o, const struct opt_key *k)
{
	/* What is said by the prefix. */
	if (o->prefix && k->kind == OPT_FLAG && k->off == o->prefix_off)
		return;
	if (k != o->keys)
		fputc(' ', f);
	if (!k->bare)
		fputs(k->name, f);
	if (k->kind == OPT_FLAG)
		return;
	fputc(':', f);
	if (k->kind != OPT_CHOICE) {
		fputs(kind(k), f);
		return;
	}
	choices(f, "", "", k->choices);
	if (o->prefix)
		choices(f, "|", o->prefix, k->choices);
}

static void keys(FILE *f, const struct opt *o)
{
	fprintf(f, "\t--%s", o->name);
	if (o->alias)
		fprintf(f, "|--%s", o->alias);
	if (o->letter)
		fprintf(f, "|-%c", o->letter);
	fputs(") echo '", f);
	for (unsigned i = 0; i < o->n_keys; i++)
		key(f, o, &o->keys[i]);
	fputs("' ;;\n", f);
}

static void option_names(FILE *f, enum opt_cmd cmd)
{
	for (unsigned i = 0; i < options_n_rows; i++) {
		const struct opt *o = &options_rows[i];

		if ((o->cmds & cmd) && !o->hidden)
			fprintf(f, " --%s", o->name);
	}
}

void completion_print(FILE *f)
{
	fputs("# bash completion for nidus\n\n_nidus_options() # CMD\n{\n\tcase $1 in\n", f);
	for (unsigned c = 0; c < ARRAY_SIZE(commands); c++) {
		fprintf(f, "\t%s) echo '", commands[c].name);
		option_names(f, commands[c].cmd);
		fputs("' ;;\n", f);
	}
	fputs("\tesac\n}\n\n_nidus_keys() # OPTION\n{\n\tcase $1 in\n", f);
	for (unsigned i = 0; i < options_n_rows; i++) {
		if (!options_rows[i].hidden && options_rows[i].n_keys)
			keys(f, &options_rows[i]);
	}
	fputs("\tesac\n}\n\n", f);
	fputs(body, f);
}
