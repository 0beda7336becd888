/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pci_conf1.h"
#include "tests/unit/unit.h"
#include "vmm/bus.h"
#include "vmm/memmap_x86_64.h"

#define ECAM 0xE0000000

/* A recording ECAM: reads return the low bits of the offset. */
static struct {
	unsigned reads, writes, size;
	u64 off, val;
} seen;

static void ecam_read(void *dev, u64 off, unsigned size, u64 *val)
{
	seen.reads++;
	seen.off = off;
	seen.size = size;
	*val = off & size_mask(size);
}

static void ecam_write(void *dev, u64 off, unsigned size, u64 val)
{
	seen.writes++;
	seen.off = off;
	seen.size = size;
	seen.val = val;
}

static const struct region_ops ecam_ops = { ecam_read, ecam_write };

struct rig {
	struct bus pio, mmio;
	struct pci_conf1 *c;
};

static int setup(void **state)
{
	struct region r = { .base = ECAM, .len = X86_ECAM_LEN, .ops = &ecam_ops, .name = "ecam" };
	struct rig *g = calloc(1, sizeof(*g));

	*state = g;
	memset(&seen, 0, sizeof(seen));
	return bus_init(&g->pio, "port") || bus_init(&g->mmio, "mmio") || bus_add(&g->mmio, &r) ||
	       pci_conf1_create(&g->pio, &g->mmio, ECAM, &g->c);
}

static int teardown(void **state)
{
	struct rig *g = *state;
	u64 val;

	pci_conf1_destroy(g->c);
	bus_read(&g->pio, 0xCF8, 4, &val);
	bus_fini(&g->pio);
	bus_fini(&g->mmio);
	free(g);
	return val == 0xffffffff ? 0 : -1;
}

static u64 in(struct rig *g, u16 port, unsigned size)
{
	u64 val;

	bus_read(&g->pio, port, size, &val);
	return val;
}

static void test_data_port_reaches_the_register_in_ecam(void **state)
{
	static const struct {
		u32 addr;
		u16 port;
		unsigned size;
		u64 off;
	} rows[] = {
		{ 0x80000000, 0xCFC, 4, 0 },
		{ 0x80000000, 0xCFE, 2, 2 },
		{ 0x80000000, 0xCFF, 1, 3 },
		{ 0x80000104, 0xCFC, 4, 1 << 12 | 4 },
		{ 0x8000f004, 0xCFD, 1, 0x1e << 15 | 5 },
		{ 0x80ffff3c, 0xCFC, 2, 0xff << 20 | 0xff << 12 | 0x3c },
		{ 0x8001fffc, 0xCFC, 4, 1 << 20 | 0xff << 12 | 0xfc },
		{ 0xff000003, 0xCFC, 4, 0 }, /* reserved bits are no part of the address */
	};
	struct rig *g = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bus_write(&g->pio, 0xCF8, 4, rows[i].addr);
		assert_int_equal(in(g, rows[i].port, rows[i].size), rows[i].off & size_mask(rows[i].size));
		assert_int_equal(seen.off, rows[i].off);
		assert_int_equal(seen.size, rows[i].size);
		bus_write(&g->pio, rows[i].port, rows[i].size, 0xa5 + i);
		assert_int_equal(seen.val, 0xa5 + i);
		assert_int_equal(seen.reads, i + 1);
		assert_int_equal(seen.writes, i + 1);
	}
}

static void test_address_port_keeps_double_words_only(void **state)
{
	struct rig *g = *state;

	bus_write(&g->pio, 0xCF8, 4, 0x80000000);
	bus_write(&g->pio, 0xCFB, 1, 0x01);
	bus_write(&g->pio, 0xCF8, 2, 0x1234);
	assert_int_equal(in(g, 0xCF8, 4), 0x80000000);
	assert_int_equal(in(g, 0xCF8, 1), 0xff);
	assert_int_equal(in(g, 0xCFA, 2), 0xffff);
	pci_conf1_reset(g->c);
	assert_int_equal(in(g, 0xCF8, 4), 0);
	assert_int_equal(seen.reads + seen.writes, 0);
}

static void test_access_disabled_or_odd_reaches_nothing(void **state)
{
	struct rig *g = *state;

	bus_write(&g->pio, 0xCF8, 4, 0x00000100);
	assert_int_equal(in(g, 0xCFC, 4), 0xffffffff);
	bus_write(&g->pio, 0xCFC, 4, 1);
	bus_write(&g->pio, 0xCF8, 4, 0x80000100);
	for (unsigned size = 1; size <= 8; size++) {
		for (u16 port = 0xCF8; port < 0xD00; port++) {
			if (port >= 0xCFC && (size == 1 || size == 2 || size == 4) && port % size == 0)
				continue;
			if (port == 0xCF8 && size == 4)
				continue;
			assert_int_equal(in(g, port, size), size_mask(size));
			bus_write(&g->pio, port, size, 0);
		}
	}
	assert_int_equal(seen.reads + seen.writes, 0);
	assert_int_equal(in(g, 0xCF8, 4), 0x80000100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_data_port_reaches_the_register_in_ecam, setup, teardown),
		cmocka_unit_test_setup_teardown(test_address_port_keeps_double_words_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_access_disabled_or_odd_reaches_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
