/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line as one table: the parser, --help, `show config`, README's reference and the lint that compares them read it.
 * A new option is a row in options_rows.c, with its keys; a new kind of value is a case in set_key() and key_json() of options.c.
 *
 * Everything here is pure: no file is opened, nothing is logged, no state is kept.
 */
#ifndef NIDUS_OPTIONS_H
#define NIDUS_OPTIONS_H

#include <stdio.h>

#include "vmm/bits.h"
#include "vmm/config.h"

enum opt_cmd { CMD_RUN = 1, CMD_SHOW = 2, CMD_CHECK = 4 };

/* What a value looks like -> the type of the field it goes to. */
enum opt_kind {
	OPT_FLAG,   /* nothing, or on|off -> bool */
	OPT_ONOFF,  /* on|off -> bool */
	OPT_TRI,    /* on|off -> enum tristate */
	OPT_STR,    /* text -> char * */
	OPT_ID,     /* 1 to 32 of A-Z a-z 0-9 . _ - -> char * */
	OPT_FILE,   /* a path or fd:N -> struct file_cfg */
	OPT_FD,     /* N or fd:N -> int */
	OPT_UINT,   /* min..max -> unsigned */
	OPT_SIZE,   /* K, M, G or MiB; min..max in bytes -> u64 */
	OPT_MAC,    /* of one device, with colons -> u8[6] */
	OPT_CHOICE, /* one of choices -> its index, in a bool or an enum */
};

struct opt_key {
	const char *name;
	const char *meta;            /* how help names the value: PATH, N */
	enum opt_kind kind;
	bool bare;                   /* first key only: its name may be left out */
	u8 size;                     /* bytes of a CHOICE's field: 1 or 4 */
	size_t off;                  /* within the option's object */
	u64 min, max;
	const char *const *choices;  /* NULL-terminated; "" cannot be chosen */
};

struct opt {
	const char *name;            /* without "--" */
	const char *alias;           /* another long name, or NULL */
	char letter;                 /* 0: none */
	u8 cmds;                     /* enum opt_cmd bits */
	bool hidden;                 /* in no help, no JSON */
	const char *json;            /* name in the JSON configuration; NULL: not part of it */
	const char *arg;             /* replaces the argument's generated description; or NULL */
	const char *help;
	const char *prefix;          /* before the argument: the bool at prefix_off of the object; or NULL */
	size_t prefix_off;
	const struct opt_key *keys;
	unsigned n_keys;             /* one bare key: the whole argument is its value, commas too. 0: --help */
	size_t off;                  /* of the object in struct vm_config; 0 if keys give offsets in it */
	size_t elem;                 /* a list's element size; 0: not a list */
	size_t count_off;            /* a list's counter, unsigned */
	unsigned max;                /* a list's length */
	/* After the keys: what they imply for each other. NULL, or what is wrong. */
	const char *(*done)(struct vm_config *c, void *obj);
};

struct opt_result {
	bool help;
	char error[512];             /* one line, without newline; "" if none */
};

/* The table: vmm/options_rows.c. */
extern const struct opt options_rows[];
extern const unsigned options_n_rows;

/* argv[0] is the first option. 0, or EXIT_USAGE with r->error filled; c may then be half filled: free it. */
int options_parse(enum opt_cmd cmd, struct vm_config *c, int argc, char **argv, struct opt_result *r) __must_check;

/* "PATH[,ro][,id=ID]"; cut to len. */
void options_synopsis(const struct opt *o, char *buf, size_t len);

/* The options of one subcommand, a line or more each. */
void options_help(FILE *f, enum opt_cmd cmd);

/* Edit distance with transpositions between strings of at most 32 bytes; longer ones are far from everything. */
unsigned options_distance(const char *a, const char *b);

/* The configuration of a VM as a JSON object (see config_json()). */
char *options_json(const struct vm_config *c);

#endif
