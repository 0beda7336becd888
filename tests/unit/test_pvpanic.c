/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/devices.h"
#include "tests/unit/pci_rig.h"
#include "tests/unit/unit.h"
#include "vmm/config.h"

#define SID 0x00f0

struct machine {
	struct rig r;
	struct dev_ctx ctx;
	unsigned n;
	enum machine_event event;
	u32 code;
};

static void machine(void *arg, enum machine_event e, u32 code)
{
	struct machine *m = arg;

	m->n++;
	m->event = e;
	m->code = code;
}

static void start(struct machine *m)
{
	memset(m, 0, sizeof(*m));
	rig_init(&m->r);
	m->ctx = (struct dev_ctx){ .pci = m->r.host, .machine = machine, .machine_arg = m };
	assert_int_equal(pvpanic_create(&m->ctx), 0);
	assert_int_equal(pci_assign(m->r.host), 0);
	rig_enable(&m->r, SID);
}

static gpa_t bar(struct machine *m)
{
	return rig_rd(&m->r, SID, PCI_BASE_ADDRESS_0, 4) & ~0xfULL;
}

static void test_panic_event_stops_the_machine(void **state)
{
	struct machine m;

	start(&m);
	assert_int_equal(rig_mmio(&m.r, bar(&m), 1), 3);
	bus_write(&m.r.bus, bar(&m), 1, 2);
	bus_write(&m.r.bus, bar(&m), 1, 4);
	bus_write(&m.r.bus, bar(&m) + 1, 1, 1);
	assert_int_equal(m.n, 0);
	bus_write(&m.r.bus, bar(&m), 1, 1);
	assert_int_equal(m.n, 1);
	assert_int_equal(m.event, MACHINE_PANIC);
	rig_fini(&m.r);
}

static void test_status_byte_any_access_gives_the_code(void **state)
{
	static const struct {
		unsigned off, size;
		u64 val;
		unsigned n;
		u32 code;
	} rows[] = {
		{ 0x44, 1, 7, 1, 7 },          { 0x44, 1, 1, 1, 1 },         { 0x44, 1, 63, 1, 63 },    { 0x44, 1, 0, 0, 0 },
		{ 0x44, 1, 64, 0, 0 },         { 0x44, 1, 255, 0, 0 },       { 0x44, 4, 0x09, 1, 9 },   { 0x44, 2, 0xff05, 1, 5 },
		{ 0x43, 2, 0x0600, 1, 6 },     { 0x40, 8, 8ULL << 32, 1, 8 }, { 0x45, 1, 7, 0, 0 },      { 0x40, 4, 0x07070707, 0, 0 },
	};
	struct machine m;

	start(&m);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		m.n = m.code = 0;
		rig_wr(&m.r, SID, rows[i].off, rows[i].size, rows[i].val);
		assert_int_equal(m.n, rows[i].n);
		assert_int_equal(m.code, rows[i].code);
		if (rows[i].n)
			assert_int_equal(m.event, MACHINE_EXIT_CODE);
	}
	assert_int_equal(rig_rd(&m.r, SID, PVPANIC_VENDOR_CAP, 1), PCI_CAP_ID_VNDR);
	assert_int_equal(rig_rd(&m.r, SID, PVPANIC_VENDOR_CAP + 2, 1), 8);
	rig_fini(&m.r);
}

static void test_create_twice_is_refused(void **state)
{
	struct machine m;

	start(&m);
	assert_int_equal(pvpanic_create(&m.ctx), EXIT_HOST);
	rig_fini(&m.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_panic_event_stops_the_machine),
		cmocka_unit_test(test_status_byte_any_access_gives_the_code),
		cmocka_unit_test(test_create_twice_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
