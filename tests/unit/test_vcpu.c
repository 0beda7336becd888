/* SPDX-License-Identifier: Apache-2.0 */
// wrap: ioctl
#include "tests/unit/unit.h"

#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "devices/ioapic.h"
#include "vmm/config.h"
#include "vmm/log.h"
#include "vmm/vcpu.h"

/* What a port or a register saw, in order. */
static struct {
	unsigned n;
	u64 off[64], val[64];
	unsigned size[64];
	u64 next; /* the value that the next read gives */
} seen;

static union {
	struct kvm_run run;
	u8 bytes[8192];
} u;

static struct bus mmio, pio;

static void dev_read(void *dev, u64 off, unsigned size, u64 *val)
{
	seen.off[seen.n] = off;
	seen.size[seen.n++] = size;
	*val = seen.next++;
}

static void dev_write(void *dev, u64 off, unsigned size, u64 val)
{
	seen.off[seen.n] = off;
	seen.size[seen.n] = size;
	seen.val[seen.n++] = val;
}

static const struct region_ops ops = { dev_read, dev_write };

static int setup(void **state)
{
	struct region r = { .base = 0x100, .len = 0x100, .ops = &ops, .name = "probe" };

	memset(&seen, 0, sizeof(seen));
	memset(&u, 0, sizeof(u));
	assert_int_equal(bus_init(&mmio, "mmio"), 0);
	assert_int_equal(bus_init(&pio, "pio"), 0);
	assert_int_equal(bus_add(&mmio, &r), 0);
	assert_int_equal(bus_add(&pio, &r), 0);
	return 0;
}

static int teardown(void **state)
{
	bus_fini(&pio);
	bus_fini(&mmio);
	return 0;
}

static bool trial;

static bool handle(enum vcpu_stop *why)
{
	struct vcpu_env env = { .mmio = &mmio, .pio = &pio, .trial = trial };

	return vcpu_handle_exit(&env, 0, -1, &u.run, why);
}

static void io_exit(u8 dir, unsigned size, u32 count, const void *data)
{
	enum vcpu_stop why;

	u.run.exit_reason = KVM_EXIT_IO;
	u.run.io.direction = dir;
	u.run.io.size = (u8)size;
	u.run.io.port = 0x110;
	u.run.io.count = count;
	u.run.io.data_offset = 4096;
	if (data)
		memcpy(u.bytes + 4096, data, size * count);
	assert_true(handle(&why));
}

static void test_vcpu_io_out_delivers_each_element_to_the_port(void **state)
{
	static const u8 data[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	static const struct {
		unsigned size;
		u32 count;
		u64 first, last;
	} row[] = { { 1, 1, 1, 1 }, { 1, 8, 1, 8 }, { 2, 3, 0x0201, 0x0605 }, { 4, 2, 0x04030201, 0x08070605 } };

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		memset(&seen, 0, sizeof(seen));
		io_exit(KVM_EXIT_IO_OUT, row[i].size, row[i].count, data);
		assert_int_equal(seen.n, row[i].count);
		assert_int_equal(seen.val[0], row[i].first);
		assert_int_equal(seen.val[row[i].count - 1], row[i].last);
		for (unsigned j = 0; j < seen.n; j++) {
			assert_int_equal(seen.off[j], 0x10);
			assert_int_equal(seen.size[j], row[i].size);
		}
	}
}

static void test_vcpu_io_in_fills_each_element(void **state)
{
	seen.next = 0x41;
	io_exit(KVM_EXIT_IO_IN, 2, 3, NULL);
	assert_int_equal(seen.n, 3);
	assert_memory_equal(u.bytes + 4096, "\x41\0\x42\0\x43\0", 6);
	assert_int_equal(u.bytes[4096 + 6], 0);
}

static void test_vcpu_io_to_nothing_reads_ones(void **state)
{
	enum vcpu_stop why;

	u.run.exit_reason = KVM_EXIT_IO;
	u.run.io.direction = KVM_EXIT_IO_IN;
	u.run.io.size = 4;
	u.run.io.port = 0xfffe;
	u.run.io.count = 1;
	u.run.io.data_offset = 4096;
	assert_true(handle(&why));
	assert_memory_equal(u.bytes + 4096, "\xff\xff\xff\xff\0", 5);
}

static void test_vcpu_mmio_moves_the_bytes_of_its_length(void **state)
{
	enum vcpu_stop why;

	for (u32 len = 1; len <= 8; len++) {
		memset(&seen, 0, sizeof(seen));
		u.run.exit_reason = KVM_EXIT_MMIO;
		u.run.mmio.phys_addr = 0x120;
		u.run.mmio.len = len;
		u.run.mmio.is_write = 1;
		memcpy(u.run.mmio.data, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
		assert_true(handle(&why));
		assert_int_equal(seen.off[0], 0x20);
		assert_int_equal(seen.size[0], len);
		assert_int_equal(seen.val[0], 0x8877665544332211ULL & size_mask(len));
		u.run.mmio.is_write = 0;
		seen.next = 0xa5;
		assert_true(handle(&why));
		assert_int_equal(get_le(u.run.mmio.data, len), 0xa5);
		if (len < 8)
			assert_int_equal(u.run.mmio.data[7], 0x88);
	}
}

static void test_vcpu_mmio_length_beyond_the_buffer_is_cut(void **state)
{
	enum vcpu_stop why;

	u.run.exit_reason = KVM_EXIT_MMIO;
	u.run.mmio.phys_addr = 0x120;
	u.run.mmio.len = 200;
	u.run.mmio.is_write = 1;
	assert_true(handle(&why));
	assert_int_equal(seen.size[0], 8);
}

static void test_vcpu_exits_that_end_it_say_why(void **state)
{
	static const struct {
		u32 reason, sub;
		enum vcpu_stop why;
	} row[] = {
		{ KVM_EXIT_SHUTDOWN, 0, VCPU_STOP_SHUTDOWN },
		{ KVM_EXIT_SYSTEM_EVENT, KVM_SYSTEM_EVENT_RESET, VCPU_STOP_RESET },
		{ KVM_EXIT_SYSTEM_EVENT, KVM_SYSTEM_EVENT_CRASH, VCPU_STOP_SHUTDOWN },
		{ KVM_EXIT_INTERNAL_ERROR, KVM_INTERNAL_ERROR_EMULATION, VCPU_STOP_INTERNAL },
		{ KVM_EXIT_INTERNAL_ERROR, KVM_INTERNAL_ERROR_DELIVERY_EV, VCPU_STOP_INTERNAL },
		{ KVM_EXIT_FAIL_ENTRY, 0, VCPU_STOP_INTERNAL },
		{ KVM_EXIT_UNKNOWN, 0, VCPU_STOP_INTERNAL },
		{ 0xffffffff, 0, VCPU_STOP_INTERNAL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		enum vcpu_stop why = (enum vcpu_stop)99;

		memset(&u, 0, sizeof(u));
		u.run.exit_reason = row[i].reason;
		u.run.internal.suberror = row[i].sub;
		if (row[i].reason == KVM_EXIT_INTERNAL_ERROR) {
			u.run.emulation_failure.ndata = 4;
			u.run.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
			u.run.emulation_failure.insn_size = 255;
		}
		assert_false(handle(&why));
		assert_int_equal(why, row[i].why);
	}
}

/* What is printed of an exit that ends it. */
static const char *said_at_the_end(void)
{
	static char line[2048];
	int save = dup(2), p[2];
	enum vcpu_stop why;
	ssize_t n;

	assert_int_equal(pipe(p), 0);
	dup2(p[1], 2);
	assert_false(handle(&why));
	dup2(save, 2);
	close(save);
	close(p[1]);
	n = read(p[0], line, sizeof(line) - 1);
	close(p[0]);
	line[n < 0 ? 0 : n] = 0;
	return line;
}

static const char *internal_error(void)
{
	u.run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
	return said_at_the_end();
}

static void test_vcpu_internal_error_tells_what_kvm_told(void **state)
{
	static const u8 bytes[] = { 0x0f, 0x01, 0xc1 };
	const char *line;

	u.run.internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	u.run.internal.ndata = 2;
	u.run.internal.data[0] = 0xfeb00000;
	u.run.internal.data[1] = 0x400;
	u.run.internal.data[2] = 0xbad;
	line = internal_error();
	assert_non_null(strstr(line, "suberror 3 (exit during event delivery)"));
	assert_non_null(strstr(line, "on vCPU 0, data 0xfeb00000 0x400: this host"));

	/* However many words the kernel claims, all that fit are told, in one line. */
	u.run.internal.ndata = UINT32_MAX;
	for (unsigned i = 0; i < ARRAY_SIZE(u.run.internal.data); i++)
		u.run.internal.data[i] = 0xffffffffffffff00 + i;
	line = internal_error();
	assert_non_null(strstr(line, " 0xffffffffffffff00 0xffffffffffffff01 "));
	assert_non_null(strstr(line, " 0xffffffffffffff0f: this host"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);

	u.run.internal.ndata = 0;
	assert_non_null(strstr(internal_error(), "on vCPU 0: this host"));

	memset(&u, 0, sizeof(u));
	u.run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	u.run.emulation_failure.ndata = 4;
	u.run.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	u.run.emulation_failure.insn_size = sizeof(bytes);
	memcpy(u.run.emulation_failure.insn_bytes, bytes, sizeof(bytes));
	assert_non_null(strstr(internal_error(), "on vCPU 0, bytes 0f 01 c1: this host"));
}

/* nidus check has a line of its own about it. */
static void test_vcpu_trial_that_fails_is_no_error(void **state)
{
	static const u32 reason[] = { KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_FAIL_ENTRY, KVM_EXIT_UNKNOWN };

	trial = true;
	for (unsigned i = 0; i < ARRAY_SIZE(reason); i++) {
		u.run.exit_reason = reason[i];
		assert_string_equal(said_at_the_end(), "");
		log_set_level(LOG_INFO);
		assert_memory_equal(said_at_the_end(), "nidus: info: ", 13);
		log_set_level(LOG_WARN);
	}
	trial = false;
}

/* A host whose nth call fails; 0: none does. */
static unsigned calls, failing;
static unsigned long created[64], n_created;

int __wrap_ioctl(int fd, unsigned long req, ...);

int __wrap_ioctl(int fd, unsigned long req, ...)
{
	void *arg = IOCTL_ARG(req);
	int mem;

	if (++calls == failing) {
		errno = EMFILE;
		return -1;
	}
	switch (req) {
	case KVM_CHECK_EXTENSION:
		return 64;
	case KVM_GET_SUPPORTED_CPUID:
	case KVM_GET_MSR_INDEX_LIST:
		*(u32 *)arg = 0;
		return 0;
	case KVM_SET_MSRS:
		return 1;
	case KVM_CREATE_VCPU:
		mem = memfd_create("run", MFD_CLOEXEC);
		assert_int_equal(ftruncate(mem, 8192), 0);
		created[n_created++] = (unsigned long)arg;
		return mem;
	default:
		return 0;
	}
}

static void test_vcpus_create_any_failing_call_leaves_nothing(void **state)
{
	static const u32 ids[] = { 0, 2, 5 };
	struct kvm k = { .fd = -1, .vm_fd = -1, .run_size = 8192 };
	struct vcpu_env env = { .kvm = &k, .apic_ids = ids };
	unsigned before, total;
	struct vcpus *v = NULL;

	failing = 0;
	assert_int_equal(arch_vm_init(&k), 0);
	before = open_fds();
	n_created = 0;
	calls = 0;
	assert_int_equal(vcpus_create(&env, 3, &v), 0);
	total = calls;
	assert_int_equal(n_created, 3);
	assert_int_equal(created[2], 5);
	assert_int_equal(vcpus_exits(v), 0);
	vcpus_pause(v);
	vcpus_destroy(v);
	assert_int_equal(open_fds(), before);
	/* The first asks how many vCPUs KVM allows; nested state may be absent, the last call of each vCPU. */
	for (unsigned i = 1; i < total; i++) {
		int r;

		n_created = 0;
		calls = 0;
		failing = i;
		v = NULL;
		r = vcpus_create(&env, 3, &v);
		assert_true(r == EXIT_HOST || r == 0);
		if (r == 0)
			vcpus_destroy(v);
		else
			assert_null(v);
		assert_int_equal(open_fds(), before);
	}
	failing = 0;
	assert_int_equal(vcpus_create(&env, 65, &v), EXIT_HOST);
	arch_vm_fini(&k);
}

static void test_vcpu_exits_that_need_nothing_go_on(void **state)
{
	static const u32 reason[] = { KVM_EXIT_INTR, KVM_EXIT_IRQ_WINDOW_OPEN, KVM_EXIT_IOAPIC_EOI };
	enum vcpu_stop why;

	for (unsigned i = 0; i < ARRAY_SIZE(reason); i++) {
		u.run.exit_reason = reason[i];
		assert_true(handle(&why));
	}
	assert_int_equal(seen.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vcpu_io_out_delivers_each_element_to_the_port, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vcpu_io_in_fills_each_element, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vcpu_io_to_nothing_reads_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vcpu_mmio_moves_the_bytes_of_its_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vcpu_mmio_length_beyond_the_buffer_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vcpu_exits_that_end_it_say_why, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vcpu_internal_error_tells_what_kvm_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vcpu_trial_that_fails_is_no_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vcpu_exits_that_need_nothing_go_on, setup, teardown),
		cmocka_unit_test(test_vcpus_create_any_failing_call_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
