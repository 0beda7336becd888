/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

#include "vmm/log.h"
#include "vmm/option_values.h"
#include "vmm/options.h"

#define MAX_KEYS 32
/* --- suggestions --- */

unsigned options_distance(const char *a, const char *b)
{
	unsigned d[3][33], la = (unsigned)strnlen(a, 33), lb = (unsigned)strnlen(b, 33);

	if (la > 32 || lb > 32)
		return 33;
	for (unsigned j = 0; j <= lb; j++)
		d[0][j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned *cur = d[i % 3], *prev = d[(i + 2) % 3], *prev2 = d[(i + 1) % 3];

		cur[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned sub = prev[j - 1] + (a[i - 1] != b[j - 1]);

			cur[j] = MIN(sub, MIN(prev[j], cur[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				cur[j] = MIN(cur[j], prev2[j - 2] + 1);
		}
	}
	return d[la % 3][lb];
}

/* Keeps the nearest name; far ones never become it. */
static void nearer(const char *typed, const char *name, const char **best, unsigned *dist)
{
	unsigned d = name ? options_distance(typed, name) : 33;

	/* The beginning of a name is a good guess too: --mem. */
	if (name && strlen(typed) >= 2 && strncmp(typed, name, strlen(typed)) == 0)
		d = 1;
	if (d < *dist && d <= 1 + strlen(typed) / 4) {
		*best = name;
		*dist = d;
	}
}

static const char *nearest_option(enum opt_cmd cmd, const char *typed)
{
	const char *best = NULL;
	unsigned dist = 33;

	for (unsigned i = 0; i < options_n_rows; i++) {
		if (!(options_rows[i].cmds & cmd) || options_rows[i].hidden)
			continue;
		nearer(typed, options_rows[i].name, &best, &dist);
		nearer(typed, options_rows[i].alias, &best, &dist);
	}
	return best;
}

static const char *nearest_key(const struct opt *o, const char *typed)
{
	const char *best = NULL;
	unsigned dist = 33;

	for (unsigned i = 0; i < o->n_keys; i++)
		nearer(typed, o->keys[i].name, &best, &dist);
	return best;
}

/* --- values --- */

static int fail(struct opt_result *r, const char *fmt, ...) __printf(2, 3);
static int fail(struct opt_result *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->error, sizeof(r->error), fmt, ap);
	va_end(ap);
	return EXIT_USAGE;
}

/* What is being set, for messages: "--disk: queues". */
struct where {
	const struct opt *o;
	const struct opt_key *k;
	struct opt_result *r;
};

static int bad_value(const struct where *w, const char *v, const char *want)
{
	bool only = w->o->n_keys == 1 || w->k->bare;

	return fail(w->r, "--%s: %s%s'%.60s' is not %s", w->o->name, only ? "" : w->k->name, only ? "" : "=", v, want);
}

static int set_text(const struct where *w, char **field, const char *v)
{
	char *s = strdup(v);

	if (!s)
		return fail(w->r, "out of memory");
	free(*field);
	*field = s;
	return 0;
}

static int set_fd(const struct where *w, int *field, const char *v)
{
	u64 n;

	if (!option_parse_number(strncmp(v, "fd:", 3) == 0 ? v + 3 : v, &n) || n > 1 << 20)
		return bad_value(w, v, "an inherited descriptor (fd:N)");
	*field = (int)n;
	return 0;
}

static int set_file(const struct where *w, struct file_cfg *f, const char *v)
{
	int rc;

	if (!*v)
		return bad_value(w, v, "a path");
	f->fd = -1;
	if (strncmp(v, "fd:", 3) == 0) {
		rc = set_fd(w, &f->fd, v);
		if (rc)
			return rc;
	}
	return set_text(w, &f->path, v);
}

static int set_uint(const struct where *w, unsigned *field, const char *v)
{
	char want[64];
	u64 n;

	snprintf(want, sizeof(want), "a number from %llu to %llu", (unsigned long long)w->k->min, (unsigned long long)w->k->max);
	if (!option_parse_number(v, &n) || n < w->k->min || n > w->k->max)
		return bad_value(w, v, want);
	*field = (unsigned)n;
	return 0;
}

static int set_size(const struct where *w, u64 *field, const char *v)
{
	char lo[24], hi[24];
	u64 n;

	if (!option_parse_size(v, &n))
		return bad_value(w, v, "a size: a number with K, M or G, or of MiB");
	option_format_size(w->k->min, lo, sizeof(lo));
	option_format_size(w->k->max, hi, sizeof(hi));
	if (n < w->k->min)
		return fail(w->r, "--%s: '%s' is too small, the minimum is %s", w->o->name, v, lo);
	if (n > w->k->max)
		return fail(w->r, "--%s: '%s' is too large, the maximum is %s", w->o->name, v, hi);
	*field = n;
	return 0;
}

static void append(char *buf, size_t len, const char *fmt, ...) __printf(3, 4);
static void append(char *buf, size_t len, const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + n, len - n, fmt, ap);
	va_end(ap);
}

/* "off|auto|vtd": what can be chosen, for messages. */
static void list_choices(const struct where *w, char *buf, size_t len)
{
	buf[0] = 0;
	if (w->k->bare && w->o->arg) {
		append(buf, len, "%s", w->o->arg);
		return;
	}
	for (unsigned i = 0; w->k->choices[i]; i++) {
		if (*w->k->choices[i])
			append(buf, len, "%s%s", *buf ? "|" : "", w->k->choices[i]);
	}
}

static int set_choice(const struct where *w, void *field, const char *v)
{
	const char *best = NULL;
	unsigned dist = 33;
	char all[128];
	u32 n;

	for (n = 0; w->k->choices[n]; n++) {
		if (*v && strcmp(w->k->choices[n], v) == 0) {
			if (w->k->size == 1)
				*(bool *)field = n != 0;
			else
				*(u32 *)field = n;
			return 0;
		}
		nearer(v, w->k->choices[n], &best, &dist);
	}
	if (best && *best)
		return fail(w->r, "--%s: unknown %s '%.60s' (did you mean '%s'?)", w->o->name, w->k->name, v, best);
	list_choices(w, all, sizeof(all));
	return fail(w->r, "--%s: unknown %s '%.60s', it is one of %s", w->o->name, w->k->name, v, all);
}

static int set_onoff(const struct where *w, void *field, const char *v)
{
	bool on = strcmp(v, "on") == 0;

	if (!on && strcmp(v, "off") != 0)
		return bad_value(w, v, "on or off");
	if (w->k->kind == OPT_TRI)
		*(enum tristate *)field = on ? ON : OFF;
	else
		*(bool *)field = on;
	return 0;
}

/* v is never NULL: a flag without value comes as "on". */
static int set_key(const struct where *w, void *field, const char *v)
{
	switch (w->k->kind) {
	case OPT_FLAG:
	case OPT_ONOFF:
	case OPT_TRI:
		return set_onoff(w, field, v);
	case OPT_STR:
		return set_text(w, field, v);
	case OPT_ID:
		return option_valid_id(v) ? set_text(w, field, v) : bad_value(w, v, "an id: 1 to 32 letters, digits, '.', '_' or '-'");
	case OPT_FILE:
		return set_file(w, field, v);
	case OPT_FD:
		return set_fd(w, field, v);
	case OPT_UINT:
		return set_uint(w, field, v);
	case OPT_SIZE:
		return set_size(w, field, v);
	case OPT_CHOICE:
		return set_choice(w, field, v);
	case OPT_MAC:
		return option_parse_mac(v, field) ? 0 : bad_value(w, v, "a MAC address of one device, such as 02:00:00:00:00:01");
	}
	return fail(w->r, "--%s: unknown kind of value", w->o->name);
}

/* --- one option's argument: "value,key=value,flag" --- */

/* Cuts the first element off *rest, in place; ",," stands for a comma inside it. */
static char *next_element(char **rest)
{
	char *start = *rest, *in = start, *out = start;

	for (; *in; in++) {
		if (*in == ',' && in[1] != ',')
			break;
		if (*in == ',')
			in++;
		*out++ = *in;
	}
	*rest = *in ? in + 1 : NULL;
	*out = 0;
	return start;
}

static int find_key(const struct opt *o, const char *name, size_t len)
{
	for (unsigned i = 0; i < o->n_keys; i++) {
		if (strlen(o->keys[i].name) == len && strncmp(o->keys[i].name, name, len) == 0)
			return (int)i;
	}
	return -1;
}

/* The key an element is for, and its value; -1 with r->error filled. A bare first value may contain "=", so it is tried last. */
static int element_key(const struct opt *o, char *e, bool first, const char **val, struct opt_result *r)
{
	char *eq = strchr(e, '=');
	int k = find_key(o, e, eq ? (size_t)(eq - e) : strlen(e));
	char all[160];
	const char *best;

	*val = eq ? eq + 1 : "on";
	if (k >= 0 && (eq || o->keys[k].kind == OPT_FLAG))
		return k;
	if (k >= 0) {
		fail(r, "--%s: '%s' needs a value: %s=%s", o->name, o->keys[k].name, o->keys[k].name, o->keys[k].meta);
		return -1;
	}
	if (first && o->keys[0].bare) {
		*val = e;
		return 0;
	}
	if (eq)
		*eq = 0;
	best = nearest_key(o, e);
	options_synopsis(o, all, sizeof(all));
	if (best)
		fail(r, "--%s: unknown key '%.60s' (did you mean '%s'?)", o->name, e, best);
	else
		fail(r, "--%s: unknown key '%.60s', it takes %s", o->name, e, all);
	return -1;
}

/* What an earlier occurrence of the option has set is not mixed with this one's. A number or text that stands first has a default: it stays. */
static void clear_keys(const struct opt *o, char *obj)
{
	for (unsigned i = 0; i < o->n_keys; i++) {
		const struct opt_key *k = &o->keys[i];
		void *field = obj + k->off;

		if (k->bare && k->kind != OPT_CHOICE)
			continue;
		switch (k->kind) {
		case OPT_STR:
		case OPT_ID:
			free(*(char **)field);
			*(char **)field = NULL;
			break;
		case OPT_FILE:
			free(((struct file_cfg *)field)->path);
			*(struct file_cfg *)field = (struct file_cfg){ .fd = -1 };
			break;
		case OPT_FLAG:
		case OPT_ONOFF:
			*(bool *)field = false;
			break;
		case OPT_SIZE:
			*(u64 *)field = 0;
			break;
		case OPT_UINT:
			*(unsigned *)field = 0;
			break;
		case OPT_CHOICE:
			memset(field, 0, k->size);
			break;
		default:
			break;
		}
	}
}

static int set_elements(const struct opt *o, char *obj, char *arg, struct opt_result *r)
{
	bool seen[MAX_KEYS] = { false }, first = true;
	char *rest = arg;

	while (rest) {
		char *e = next_element(&rest);
		struct where w = { o, NULL, r };
		const char *val;
		int k, rc;

		k = element_key(o, e, first, &val, r);
		if (k < 0)
			return EXIT_USAGE;
		w.k = &o->keys[k];
		if (seen[k])
			return fail(r, "--%s: key '%s' is given twice", o->name, w.k->name);
		seen[k] = true;
		rc = set_key(&w, obj + w.k->off, val);
		if (rc)
			return rc;
		first = false;
	}
	return 0;
}

static int set_option(const struct opt *o, struct vm_config *c, const char *arg, struct opt_result *r)
{
	struct where w = { o, o->keys, r };
	unsigned *count = o->elem ? (void *)((char *)c + o->count_off) : NULL;
	char *obj = (char *)c + o->off;
	const char *wrong;
	char *copy;
	int rc;

	if (count && *count == o->max)
		return fail(r, "--%s: at most %u are supported", o->name, o->max);
	if (count)
		obj += *count * o->elem;
	else
		clear_keys(o, obj);
	if (o->prefix) {
		bool has = strncmp(arg, o->prefix, strlen(o->prefix)) == 0;

		*(bool *)(void *)(obj + o->prefix_off) = has;
		arg += has ? strlen(o->prefix) : 0;
	}
	if (o->n_keys == 1 && o->keys[0].bare) {
		rc = set_key(&w, obj + o->keys[0].off, arg);
	} else {
		copy = strdup(arg);
		rc = copy ? set_elements(o, obj, copy, r) : fail(r, "out of memory");
		free(copy);
	}
	if (rc)
		return rc;
	wrong = o->done ? o->done(c, obj) : NULL;
	if (wrong)
		return fail(r, "--%s: %s", o->name, wrong);
	if (count)
		(*count)++;
	return 0;
}

/* --- the command line --- */

static const struct opt *find_long(enum opt_cmd cmd, const char *name, size_t len)
{
	for (unsigned i = 0; i < options_n_rows; i++) {
		const struct opt *o = &options_rows[i];

		if (!(o->cmds & cmd))
			continue;
		if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
			return o;
		if (o->alias && strlen(o->alias) == len && strncmp(o->alias, name, len) == 0)
			return o;
	}
	return NULL;
}

static const struct opt *find_letter(enum opt_cmd cmd, char letter)
{
	for (unsigned i = 0; i < options_n_rows; i++) {
		if ((options_rows[i].cmds & cmd) && options_rows[i].letter && options_rows[i].letter == letter)
			return &options_rows[i];
	}
	return NULL;
}

/* The subcommands whose option it is: "run and check"; "" if it is nobody's. */
static void other_commands(const char *name, char *buf, size_t size)
{
	static const struct {
		enum opt_cmd cmd;
		const char *name;
	} commands[] = { { CMD_RUN, "run" }, { CMD_SHOW, "show" }, { CMD_CHECK, "check" } };

	buf[0] = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		if (find_long(commands[i].cmd, name, strlen(name)))
			append(buf, size, "%s%s", *buf ? " and " : "", commands[i].name);
	}
}

static int unknown(enum opt_cmd cmd, const char *word, struct opt_result *r)
{
	char name[40], others[32] = "";
	const char *best;

	if (word[0] != '-' && cmd == CMD_CHECK)
		return fail(r, "unexpected argument '%.60s', PCI addresses come before the options", word);
	if (word[0] != '-')
		return fail(r, "unexpected argument '%.60s', options begin with '-', and a value with spaces needs quotes", word);
	snprintf(name, sizeof(name), "%.*s", (int)MIN(strcspn(word, "="), sizeof(name) - 1), word);
	if (word[1] == '-')
		other_commands(name + 2, others, sizeof(others));
	if (*others)
		return fail(r, "'%s' is an option of nidus %s only", name, others);
	best = word[1] == '-' ? nearest_option(cmd, name + 2) : NULL;
	if (best)
		return fail(r, "unknown option '%s' (did you mean '--%s'?)", name, best);
	return fail(r, "unknown option '%s', see --help", name);
}

/* Finds the option of a word; *inl is the argument inside the word, or NULL. */
static const struct opt *word_option(enum opt_cmd cmd, const char *word, const char **inl)
{
	const struct opt *o;
	size_t len;

	*inl = NULL;
	if (word[0] != '-' || !word[1])
		return NULL;
	if (word[1] != '-') {
		o = find_letter(cmd, word[1]);
		*inl = word[2] ? word + 2 : NULL;
		return o;
	}
	len = strcspn(word + 2, "=");
	o = find_long(cmd, word + 2, len);
	*inl = word[2 + len] ? word + 2 + len + 1 : NULL;
	return o;
}

int options_parse(enum opt_cmd cmd, struct vm_config *c, int argc, char **argv, struct opt_result *r)
{
	memset(r, 0, sizeof(*r));
	for (int i = 0; i < argc; i++) {
		const char *arg;
		const struct opt *o = word_option(cmd, argv[i], &arg);
		int rc;

		if (!o)
			return unknown(cmd, argv[i], r);
		if (!o->n_keys) {
			r->help = true;
			return 0;
		}
		if (!arg && o->keys[0].kind == OPT_FLAG)
			arg = "on";
		else if (!arg && i + 1 < argc)
			arg = argv[++i];
		if (!arg)
			return fail(r, "--%s: an argument is missing", o->name);
		rc = set_option(o, c, arg, r);
		if (rc)
			return rc;
	}
	return 0;
}

/* --- help --- */

void options_synopsis(const struct opt *o, char *buf, size_t len)
{
	buf[0] = 0;
	if (o->arg) {
		append(buf, len, "%s", o->arg);
		return;
	}
	for (unsigned i = 0; i < o->n_keys; i++) {
		const struct opt_key *k = &o->keys[i];

		if (k->bare && k->meta)
			append(buf, len, "%s", k->meta);
		else if (!k->bare && k->kind == OPT_FLAG)
			append(buf, len, "[,%s]", k->name);
		else if (!k->bare)
			append(buf, len, "[,%s=%s]", k->name, k->meta);
	}
}

void options_help(FILE *f, enum opt_cmd cmd)
{
	for (unsigned i = 0; i < options_n_rows; i++) {
		const struct opt *o = &options_rows[i];
		char arg[160], left[200];

		if (!(o->cmds & cmd) || o->hidden)
			continue;
		options_synopsis(o, arg, sizeof(arg));
		if (o->letter)
			snprintf(left, sizeof(left), "  -%c, --%s %s", o->letter, o->name, arg);
		else
			snprintf(left, sizeof(left), "      --%s %s", o->name, arg);
		if (strlen(left) > 36)
			fprintf(f, "%s\n%-38s%s\n", left, "", o->help);
		else
			fprintf(f, "%-38s%s\n", left, o->help);
	}
}

/* --- JSON --- */

static json_t *key_json(const struct opt_key *k, const char *obj)
{
	const void *field = obj + k->off;
	const struct file_cfg *file = field;
	const u8 *mac;
	char text[32];
	int n;

	switch (k->kind) {
	case OPT_FLAG:
	case OPT_ONOFF:
		return json_boolean(*(const bool *)field);
	case OPT_TRI:
		n = *(const enum tristate *)field;
		return n == UNSET ? json_null() : json_boolean(n == ON);
	case OPT_STR:
	case OPT_ID:
		return *(char *const *)field ? json_string(*(char *const *)field) : json_null();
	case OPT_FILE:
		return file->path ? json_string(file->path) : json_null();
	case OPT_FD:
		n = *(const int *)field;
		return n < 0 ? json_null() : json_sprintf("fd:%d", n);
	case OPT_UINT:
		return json_integer(*(const unsigned *)field);
	case OPT_SIZE:
		if (!*(const u64 *)field)
			return json_null();
		option_format_size(*(const u64 *)field, text, sizeof(text));
		return json_string(text);
	case OPT_MAC:
		mac = field;
		if (!(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]))
			return json_null();
		return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	case OPT_CHOICE:
		n = k->size == 1 ? *(const bool *)field : *(const int *)field;
		return *k->choices[n] ? json_string(k->choices[n]) : json_null();
	}
	return NULL;
}

static json_t *object_json(const struct opt *o, const char *obj)
{
	json_t *j;

	if (o->n_keys == 1 && o->keys[0].bare)
		return key_json(&o->keys[0], obj);
	j = json_object();
	for (unsigned i = 0; i < o->n_keys; i++) {
		/* Not JSON text: bytes of a path that are no UTF-8. */
		if (json_object_set_new(j, o->keys[i].name, key_json(&o->keys[i], obj)))
			json_object_set_new(j, o->keys[i].name, json_null());
	}
	return j;
}

static json_t *option_json(const struct opt *o, const struct vm_config *c)
{
	const char *obj = (const char *)c + o->off;
	json_t *list;

	if (!o->elem)
		return object_json(o, obj);
	list = json_array();
	for (unsigned i = 0; i < *(const unsigned *)(const void *)((const char *)c + o->count_off); i++)
		json_array_append_new(list, object_json(o, obj + i * o->elem));
	return list;
}

char *options_json(const struct vm_config *c)
{
	json_t *j = json_object();
	char *text;

	json_object_set_new(j, "version", json_integer(1));
	for (unsigned i = 0; i < options_n_rows; i++) {
		if (!options_rows[i].json)
			continue;
		if (json_object_set_new(j, options_rows[i].json, option_json(&options_rows[i], c)))
			json_object_set_new(j, options_rows[i].json, json_null());
	}
	text = json_dumps(j, JSON_INDENT(2));
	json_decref(j);
	return text;
}
