/* SPDX-License-Identifier: Apache-2.0 */
/* A command line from bytes: the first chooses the subcommand, the rest are arguments, each ended by a zero byte. */
#include <stdint.h>
#include <stdlib.h>

#include "vmm/options.h"

#define MAX_ARGS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[MAX_ARGS], *text, *out;
	struct opt_result r;
	struct vm_config c;
	int argc = 0;

	if (!size)
		return 0;
	text = calloc(1, size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	for (size_t i = 0; i + 1 < size && argc < MAX_ARGS; i += strlen(text + i) + 1)
		argv[argc++] = text + i;
	config_init(&c);
	if (options_parse(1U << data[0] % 3, &c, argc, argv, &r) == 0 && !r.help) {
		if (r.error[0] || c.cpus < 1 || c.cpus > CONFIG_MAX_CPUS || c.mem_bytes < CONFIG_MIN_MEM || c.n_disks > CONFIG_MAX_DISKS)
			abort();
		if (config_cmdline(&c, &out) == 0)
			free(out);
		free(config_json(&c));
	}
	config_free(&c);
	free(text);
	return 0;
}
