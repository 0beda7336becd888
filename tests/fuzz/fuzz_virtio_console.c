/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a hostile driver to the console, see chains_fuzz.h; configuration writes. */
#include "tests/fuzz/chains_fuzz.h"

#include "vmm/config.h"
#include "vmm/console.h"
#include "vmm/log.h"

static struct drv d;

static void host(const uint8_t *buf, unsigned len)
{
	chains_cfg_write(&d, buf, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct chains_cfg cfg = { .queues = 2, .features = ~0ULL, .host = host };
	const struct console_cfg con = { .kind = CONSOLE_OFF, .file.fd = -1 };
	const struct console_user user = { 0 };

	if (!d.mem) {
		log_set_level(LOG_ERROR);
		drv_open(&d);
		drv_must(!console_create(d.ev, &con, &user, &d.ctx.console) && !virtio_console_create(&d.ctx), "device");
		drv_attach(&d);
	}
	chains_run(&d, &cfg, data, size);
	return 0;
}
