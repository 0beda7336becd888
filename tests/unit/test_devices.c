/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "devices/devices.h"
#include "vmm/config.h"

/* The creators are replaced: what is tested is the order, and that the first failure ends it. */
static char made[16];
static char fail_at;

static int make(char c)
{
	if (c == fail_at)
		return EXIT_HOST;
	made[strlen(made) + 1] = 0;
	made[strlen(made)] = c;
	return 0;
}

int virtio_blk_create(const struct dev_ctx *ctx, const struct disk_cfg *cfg)
{
	return make(cfg->id[0]);
}

int virtio_rng_create(const struct dev_ctx *ctx)
{
	return make('r');
}

int virtio_net_create(const struct dev_ctx *ctx, const struct net_cfg *cfg)
{
	return make('n');
}

int virtio_vsock_create(const struct dev_ctx *ctx, const struct vm_config *c)
{
	return make('v');
}

int virtio_balloon_create(const struct dev_ctx *ctx, const struct vm_config *c)
{
	return make('l');
}

int virtio_console_create(const struct dev_ctx *ctx)
{
	return make('c');
}

int pvpanic_create(const struct dev_ctx *ctx)
{
	return make('p');
}

static void test_devices_are_made_in_order_until_one_fails(void **state)
{
	static const struct {
		unsigned disks;
		bool rng;
		bool rest; /* two NICs and one of everything else */
		char fail_at;
		const char *made;
		int status;
	} rows[] = {
		{ 0, false, false, 0, "p", 0 },
		{ 2, true, false, 0, "abrp", 0 },
		{ 1, false, false, 0, "ap", 0 },
		{ 2, true, false, 'b', "a", EXIT_HOST },
		{ 2, true, false, 'r', "ab", EXIT_HOST },
		{ 0, true, false, 'p', "r", EXIT_HOST },
		{ 1, true, true, 0, "annrvlcp", 0 },
		{ 1, true, true, 'n', "a", EXIT_HOST },
		{ 0, false, true, 'v', "nn", EXIT_HOST },
		{ 0, false, true, 'l', "nnv", EXIT_HOST },
		{ 0, false, true, 'c', "nnvl", EXIT_HOST },
	};
	struct vm_config c = { 0 };
	struct dev_ctx ctx = { 0 };

	c.disks[0].id = (char *)(uintptr_t)"a";
	c.disks[1].id = (char *)(uintptr_t)"b";
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		made[0] = 0;
		fail_at = rows[i].fail_at;
		c.n_disks = rows[i].disks;
		c.rng = rows[i].rng;
		c.n_nets = rows[i].rest ? 2 : 0;
		c.vsock = c.balloon = c.console.hvc = rows[i].rest;
		assert_int_equal(devices_create(&ctx, &c), rows[i].status);
		assert_string_equal(made, rows[i].made);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_devices_are_made_in_order_until_one_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
