/* SPDX-License-Identifier: Apache-2.0 */
// wrap: malloc calloc strdup eventfd log_line
#include "tests/unit/unit.h"

#include "devices/devices.h"
#include "tests/unit/acpi_find.h"
#include "vmm/log.h"
#include "vmm/memmap_x86_64.h"
#include "vmm/offline.h"

/* The call to fail, counted from 1; 0: none. And what was said. */
static unsigned calls, fail_at, said;

static bool fails(int err)
{
	if (++calls != fail_at)
		return false;
	errno = err;
	return true;
}

void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len)
{
	return fails(ENOMEM) ? NULL : __real_malloc(len);
}

void *__real_calloc(size_t n, size_t len);
void *__wrap_calloc(size_t n, size_t len)
{
	return fails(ENOMEM) ? NULL : __real_calloc(n, len);
}

char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s)
{
	return fails(ENOMEM) ? NULL : __real_strdup(s);
}

int __real_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags)
{
	return fails(EMFILE) ? -1 : __real_eventfd(count, flags);
}

void __wrap_log_line(enum log_level level, const char *fmt, ...)
{
	said += level == LOG_ERROR;
}

/* A configuration with n disks whose files do not exist. */
static struct vm_config machine(unsigned disks)
{
	struct vm_config c;

	config_init(&c);
	for (unsigned i = 0; i < disks; i++)
		c.disks[c.n_disks++] = (struct disk_cfg){ .file = { .path = "/no/such/image", .fd = -1 } };
	return c;
}

static void count_fn(struct pci_fn *fn, void *arg)
{
	++*(unsigned *)arg;
}

static void test_create_disks_without_files_one_function_each(void **state)
{
	static const unsigned rows[] = { 0, 1, 3, CONFIG_MAX_DISKS };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_config c = machine(rows[i]);
		unsigned fds = open_fds(), fns = 0;
		struct offline *o;

		assert_int_equal(offline_x86_64_create(&c, &o), 0);
		pci_for_each(o->pci, count_fn, &fns);
		/* Host bridge, disks, rng, pvpanic. */
		assert_int_equal(fns, 1 + rows[i] + 1 + 1);
		assert_non_null(pci_fn_by_sid(o->pci, PCI_BDF(0, PCI_DEV_PVPANIC, 0)));
		assert_true(acpi_find(&o->tables, "dsdt") > 0);
		assert_true(o->n_map >= 5);
		offline_x86_64_destroy(o);
		assert_int_equal(open_fds(), fds);
		for (unsigned d = 0; d < c.n_disks; d++)
			assert_int_equal(c.disks[d].file.fd, -1);
		config_init(&c);
	}
}

static void test_create_tables_carry_the_assigned_windows(void **state)
{
	struct vm_config c = machine(2);
	struct offline *o;
	int i;

	c.mem_bytes = GiB(6);
	assert_int_equal(offline_x86_64_create(&c, &o), 0);
	i = acpi_find(&o->tables, "ssdt");
	assert_true(i > 0);
	assert_int_equal(aml_named_int(o->tables.t[i].data, o->tables.t[i].len, "P64B"), pci_host_map(o->pci)->mem64);
	assert_int_equal(aml_named_int(o->tables.t[i].data, o->tables.t[i].len, "P64L"), pci_host_mem64_len(o->pci));
	assert_true(pci_host_map(o->pci)->mem64 >= GiB(7));
	offline_x86_64_destroy(o);
}

static void has_port(const struct region *r, void *arg)
{
	*(bool *)arg |= r->base == X86_COM1_PORT;
}

static void test_create_console_off_has_no_com1(void **state)
{
	static const enum console_kind rows[] = { CONSOLE_STDIO, CONSOLE_OFF };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_config c = machine(0);
		struct offline *o;
		bool com1 = false;

		c.console.kind = rows[i];
		assert_int_equal(offline_x86_64_create(&c, &o), 0);
		bus_for_each(&o->pio, has_port, &com1);
		assert_int_equal(com1, rows[i] != CONSOLE_OFF);
		offline_x86_64_destroy(o);
	}
}

static void test_create_too_much_memory_is_a_usage_error(void **state)
{
	struct vm_config c = machine(1);
	unsigned fds = open_fds();
	struct offline *o;

	c.mem_bytes = 1ULL << 46;
	assert_int_equal(offline_x86_64_create(&c, &o), EXIT_USAGE);
	assert_int_equal(open_fds(), fds);
}

/* Every kind of device, and a function of the host that is not there. */
static void test_create_any_failing_call_is_told_once_and_leaves_nothing(void **state)
{
	struct vm_config c = machine(2);
	unsigned fds = open_fds(), n;
	struct offline *o;

	c.disks[1].viommu = ON;
	c.viommu = VIOMMU_VTD;
	c.balloon = c.testdev = c.vsock = true;
	c.vsock_cid = 3;
	c.nets[c.n_nets++] = (struct net_cfg){ .tap = { .path = "tap0", .fd = -1 }, .viommu = ON };
	c.vfios[c.n_vfios++] = (struct vfio_cfg){ .bdf = "ffff:ff:1f.7", .dev = { .fd = -1 } };
	calls = fail_at = 0;
	assert_int_equal(offline_x86_64_create(&c, &o), 0);
	offline_x86_64_destroy(o);
	n = calls;
	assert_true(n > 50);
	for (fail_at = 1; fail_at <= n; fail_at++) {
		int status;

		calls = said = 0;
		status = offline_x86_64_create(&c, &o);
		if (!status)
			offline_x86_64_destroy(o);
		if (status ? status != EXIT_HOST || said != 1 : said)
			fail_msg("call %u of %u: status %d, %u messages", fail_at, n, status, said);
		assert_int_equal(open_fds(), fds);
	}
	fail_at = 0;
}

static void test_lines_ascending(void **state)
{
	struct vm_config c = machine(0);
	struct offline *o;

	assert_int_equal(offline_x86_64_create(&c, &o), 0);
	for (unsigned i = 1; i < o->n_lines; i++)
		assert_true(o->lines[i].gsi > o->lines[i - 1].gsi);
	offline_x86_64_destroy(o);
	offline_x86_64_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_disks_without_files_one_function_each),
		cmocka_unit_test(test_create_tables_carry_the_assigned_windows),
		cmocka_unit_test(test_create_console_off_has_no_com1),
		cmocka_unit_test(test_create_too_much_memory_is_a_usage_error),
		cmocka_unit_test(test_create_any_failing_call_is_told_once_and_leaves_nothing),
		cmocka_unit_test(test_lines_ascending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
