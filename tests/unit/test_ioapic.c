/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "devices/ioapic.h"
#include "vmm/bus.h"

#define BASE 0xfec00000ULL
#define SEL (BASE + 0x00)
#define WIN (BASE + 0x10)
#define EOI (BASE + 0x40)

#define RTE_MASKED 0x10000U
#define RTE_LEVEL 0x8000U
#define RTE_IRR 0x4000U

static struct {
	unsigned msis;
	u64 addr;
	u32 data;
	struct irq_route route[IRQ_LINES];
	unsigned n_routes;
	unsigned eois;
	bool lower_on_eoi;
} seen;

static struct bus bus;
static struct irq *irq;
static struct ioapic *io;

static int signal_msi(void *ctx, u64 addr, u32 data)
{
	seen.msis++;
	seen.addr = addr;
	seen.data = data;
	return 0;
}

static int set_routes(void *ctx, const struct irq_route *r, unsigned n)
{
	assert_true(n <= IRQ_LINES);
	if (n)
		memcpy(seen.route, r, n * sizeof(*r));
	seen.n_routes = n;
	return 0;
}

static int irqfd(void *ctx, int fd, u32 gsi, int resample_fd, bool add)
{
	return -ENOSYS;
}

static const struct irq_backend be = { .signal_msi = signal_msi, .set_routes = set_routes, .irqfd = irqfd };

static int setup(void **state)
{
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(bus_init(&bus, "mmio"), 0);
	assert_int_equal(irq_create(&be, NULL, &irq), 0);
	assert_int_equal(ioapic_create(&bus, irq, BASE, 3, &io), 0);
	return 0;
}

static int teardown(void **state)
{
	ioapic_destroy(io);
	irq_destroy(irq);
	bus_fini(&bus);
	return 0;
}

static u32 get(u8 reg)
{
	u64 v;

	bus_write(&bus, SEL, 4, reg);
	bus_read(&bus, WIN, 4, &v);
	return (u32)v;
}

static void put(u8 reg, u32 v)
{
	bus_write(&bus, SEL, 4, reg);
	bus_write(&bus, WIN, 4, v);
}

static void program(unsigned pin, u32 high, u32 low)
{
	put((u8)(0x11 + 2 * pin), high);
	put((u8)(0x10 + 2 * pin), low);
}

static void on_eoi(void *arg, u32 line)
{
	seen.eois++;
	assert_int_equal(line, 5);
	if (seen.lower_on_eoi)
		irq_line(irq, line, false);
}

static void test_ioapic_identity_registers(void **state)
{
	assert_int_equal(get(0), 3 << 24);
	assert_int_equal(get(1), 23 << 16 | 0x20);
	assert_int_equal(get(2), 3 << 24);
	put(0, 0xffffffff);
	assert_int_equal(get(0), 0x0f000000);
	put(1, 0);
	assert_int_equal(get(1), 23 << 16 | 0x20);
	assert_int_equal(get(0x40), 0);
	assert_int_equal(get(0xff), 0);
}

static void test_ioapic_rte_keeps_writable_bits_only(void **state)
{
	for (unsigned pin = 0; pin < IRQ_LINES; pin++) {
		assert_int_equal(get((u8)(0x10 + 2 * pin)), RTE_MASKED);
		program(pin, 0xffffffff, 0xffffffff);
		assert_int_equal(get((u8)(0x10 + 2 * pin)), 0x0001afff);
		assert_int_equal(get((u8)(0x11 + 2 * pin)), 0xffff0000);
	}
	ioapic_reset(io);
	assert_int_equal(get(0x10), RTE_MASKED);
	assert_int_equal(get(0x11), 0);
	assert_int_equal(seen.msis, 0);
}

static void test_ioapic_message_follows_rte(void **state)
{
	static const struct {
		u32 high, low;
		u64 addr;
		u32 data;
	} row[] = {
		{ 0x01000000, 0x0031, 0xfee01000, 0x0031 },              /* physical, fixed, edge */
		{ 0xff000000, 0x0931, 0xfeeff004, 0x0131 },              /* logical, lowest priority */
		{ 0x03000000, 0x8041, 0xfee03000, 0xc041 },              /* level */
		{ 0x00000000, 0x0400, 0xfee00000, 0x0400 },              /* NMI */
		{ 0x00000000, 0x8400, 0xfee00000, 0x0400 },              /* NMI is an edge */
		{ 0x02020000, 0x0050, 0xfee02020, 0x0050 },              /* extended destination id */
		{ 0x00350000, 0x0860, 0xfee00354, 0x0060 },              /* remappable: index in 19:5 and 2, format bit 4 */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		seen.msis = 0;
		program(7, row[i].high, row[i].low);
		irq_line(irq, 7, true);
		assert_int_equal(seen.msis, 1);
		assert_int_equal(seen.addr, row[i].addr);
		assert_int_equal(seen.data, row[i].data);
		irq_line(irq, 7, false);
		ioapic_reset(io);
	}
}

static void test_ioapic_extint_sends_nothing(void **state)
{
	program(0, 0, 0x700);
	irq_line(irq, 0, true);
	assert_int_equal(seen.msis, 0);
}

static void test_ioapic_edge_pin_sends_once_per_rise(void **state)
{
	program(4, 0, 0x34);
	irq_line(irq, 4, true);
	irq_line(irq, 4, true);
	assert_int_equal(seen.msis, 1);
	irq_line(irq, 4, false);
	assert_int_equal(seen.msis, 1);
	irq_line(irq, 4, true);
	assert_int_equal(seen.msis, 2);
	assert_int_equal(seen.n_routes, 0);
}

static void test_ioapic_edge_on_masked_pin_comes_at_unmask(void **state)
{
	program(9, 0, RTE_MASKED | 0x39);
	irq_line(irq, 9, true);
	irq_line(irq, 9, false);
	assert_int_equal(seen.msis, 0);
	program(9, 0, 0x39);
	assert_int_equal(seen.msis, 1);
	program(9, 0, 0x39);
	assert_int_equal(seen.msis, 1);
}

static void test_ioapic_level_pin_waits_for_eoi(void **state)
{
	program(5, 0, RTE_LEVEL | 0x55);
	assert_int_equal(seen.n_routes, 1);
	assert_int_equal(seen.route[0].gsi, 5);
	assert_int_equal(seen.route[0].data, 0xc055);
	irq_line(irq, 5, true);
	assert_int_equal(seen.msis, 1);
	assert_int_equal(get(0x1a), RTE_LEVEL | RTE_IRR | 0x55);
	irq_line(irq, 5, false);
	irq_line(irq, 5, true);
	assert_int_equal(seen.msis, 1);
	ioapic_eoi(io, 0x54);
	assert_int_equal(seen.msis, 1);
	ioapic_eoi(io, 0x55);
	assert_int_equal(seen.msis, 2);
	irq_line(irq, 5, false);
	ioapic_eoi(io, 0x55);
	assert_int_equal(seen.msis, 2);
	assert_int_equal(get(0x1a), RTE_LEVEL | 0x55);
}

static void test_ioapic_eoi_register_ends_like_a_local_apic(void **state)
{
	program(5, 0, RTE_LEVEL | 0x55);
	irq_line(irq, 5, true);
	irq_line(irq, 5, false);
	bus_write(&bus, EOI, 4, 0x55);
	assert_int_equal(get(0x1a), RTE_LEVEL | 0x55);
}

static void test_ioapic_owner_lowers_line_at_eoi_no_second_interrupt(void **state)
{
	assert_int_equal(ioapic_on_eoi(io, 5, on_eoi, NULL), 0);
	assert_int_equal(ioapic_on_eoi(io, 5, on_eoi, NULL), -EBUSY);
	assert_int_equal(ioapic_on_eoi(io, IRQ_LINES, on_eoi, NULL), -EINVAL);
	seen.lower_on_eoi = true;
	program(5, 0, RTE_LEVEL | 0x55);
	irq_line(irq, 5, true);
	ioapic_eoi(io, 0x55);
	assert_int_equal(seen.eois, 1);
	assert_int_equal(seen.msis, 1);
	ioapic_eoi(io, 0x55);
	assert_int_equal(seen.eois, 1);
	assert_int_equal(ioapic_on_eoi(io, 5, NULL, NULL), 0);
	assert_int_equal(ioapic_on_eoi(io, 5, on_eoi, NULL), 0);
}

static void test_ioapic_masked_level_pin_keeps_route_and_state(void **state)
{
	program(5, 0, RTE_LEVEL | 0x55);
	irq_line(irq, 5, true);
	program(5, 0, RTE_MASKED | RTE_LEVEL | 0x55);
	assert_int_equal(seen.n_routes, 1);
	ioapic_eoi(io, 0x55);
	assert_int_equal(seen.msis, 1);
	program(5, 0, RTE_LEVEL | 0x55);
	assert_int_equal(seen.msis, 2);
	/* Edge mode clears Remote IRR: how drivers of old IOAPICs end an interrupt. */
	program(5, 0, RTE_MASKED | 0x55);
	assert_int_equal(get(0x1a), RTE_MASKED | 0x55);
	assert_int_equal(seen.n_routes, 0);
}

static void test_ioapic_lines_sharing_a_vector_end_together(void **state)
{
	program(5, 0, RTE_LEVEL | 0x55);
	program(6, 0, RTE_LEVEL | 0x55);
	irq_line(irq, 5, true);
	irq_line(irq, 6, true);
	assert_int_equal(seen.msis, 2);
	ioapic_eoi(io, 0x55);
	assert_int_equal(seen.msis, 4);
}

static void test_ioapic_line_out_of_range_is_dropped(void **state)
{
	irq_line(irq, IRQ_LINES, true);
	irq_line(irq, ~0U, true);
	assert_int_equal(seen.msis, 0);
}

/* Every offset, size and value: defined results, no value wider than the access, and the version register unharmed. */
static void test_ioapic_any_access_is_total(void **state)
{
	static const u64 values[] = { 0, ~0ULL, 0x10, 0x1a, 0x8055, 0x123456789abcdef0 };
	u64 v;

	for (u64 off = 0; off < 0x60; off++) {
		for (unsigned size = 1; size <= 8; size++) {
			for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
				bus_write(&bus, BASE + off, size, values[i]);
				bus_read(&bus, BASE + off, size, &v);
				assert_int_equal(v & ~size_mask(size), 0);
			}
		}
	}
	bus_read(&bus, BASE + 0xff8, 8, &v);
	assert_int_equal(v, 0);
	assert_int_equal(get(1), 23 << 16 | 0x20);
}

static void test_ioapic_narrow_read_gets_its_bytes(void **state)
{
	u64 v;

	bus_write(&bus, SEL, 1, 1);
	bus_read(&bus, WIN + 2, 1, &v);
	assert_int_equal(v, 23);
	bus_read(&bus, WIN + 2, 2, &v);
	assert_int_equal(v, 23);
	bus_read(&bus, WIN, 8, &v);
	assert_int_equal(v, 23 << 16 | 0x20);
	bus_write(&bus, SEL, 1, 0x10);
	bus_write(&bus, WIN, 2, 0x31);
	assert_int_equal(get(0x10), RTE_MASKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ioapic_identity_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_rte_keeps_writable_bits_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_message_follows_rte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_extint_sends_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_edge_pin_sends_once_per_rise, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_edge_on_masked_pin_comes_at_unmask, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_level_pin_waits_for_eoi, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_eoi_register_ends_like_a_local_apic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_owner_lowers_line_at_eoi_no_second_interrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_masked_level_pin_keeps_route_and_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_lines_sharing_a_vector_end_together, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_line_out_of_range_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_any_access_is_total, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ioapic_narrow_read_gets_its_bytes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
