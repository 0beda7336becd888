/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "vmm/cpuid_x86_64.h"

#define IDX KVM_CPUID_FLAG_SIGNIFCANT_INDEX

/* What a host could offer, reduced to the leaves that matter. */
static const struct kvm_cpuid_entry2 intel[] = {
	{ .function = 0, .eax = 0x1f, .ebx = 0x756e6547, .ecx = 0x6c65746e, .edx = 0x49656e69 },
	{ .function = 1, .eax = 0x50657, .ebx = 0x81ff0800, .ecx = 0x08000008, .edx = 0x0f8bfbff },
	{ .function = 4, .index = 0, .flags = IDX, .eax = 0xfc1fc121 },
	{ .function = 4, .index = 1, .flags = IDX, .eax = 0xfc1fc122 },
	{ .function = 4, .index = 2, .flags = IDX, .eax = 0xfc1fc143 },
	{ .function = 4, .index = 3, .flags = IDX, .eax = 0xfffffd63 },
	{ .function = 4, .index = 4, .flags = IDX },
	{ .function = 5, .eax = 0x40, .ebx = 0x40, .ecx = 3 },
	{ .function = 6, .eax = 4 },
	{ .function = 0xb, .index = 0, .flags = IDX, .edx = 0x81 },
	{ .function = 0x15, .eax = 2, .ebx = 200, .ecx = 25000000 },
	{ .function = 0x1f, .index = 0, .flags = IDX, .edx = 0x81 },
	{ .function = 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b },
	{ .function = 0x40000001, .eax = 0x01007efb },
	{ .function = 0x80000000, .eax = 0x80000008 },
	{ .function = 0x80000001, .ecx = 0x123, .edx = 0x2c100800 },
	{ .function = 0x80000008, .eax = 0x302e, .ecx = 0x5007 },
};

static const struct kvm_cpuid_entry2 amd[] = {
	{ .function = 0, .eax = 0x10, .ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65 },
	{ .function = 1, .ebx = 0x02080800, .edx = 0x178bfbff },
	{ .function = 0xb, .index = 0, .flags = IDX, .edx = 0x81 },
	{ .function = 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b },
	{ .function = 0x80000000, .eax = 0x80000026 },
	{ .function = 0x80000001, .ecx = 0x00400000 },
	{ .function = 0x80000008, .eax = 0x2f3030, .ecx = 0x30705f },
	{ .function = 0x8000001d, .index = 0, .flags = IDX, .eax = 0x00004121 },
	{ .function = 0x8000001d, .index = 3, .flags = IDX, .eax = 0x0003c163 },
	{ .function = 0x8000001e, .eax = 0x81, .ebx = 0x140, .ecx = 0x300 },
	{ .function = 0x80000026, .index = 0, .flags = IDX, .eax = 1 },
};

static const struct {
	unsigned cpus, bits;
} sizes[] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 }, { 64, 6 } };

static struct kvm_cpuid_entry2 e[CPUID_MAX];
static unsigned n;

static void fixed(const struct kvm_cpuid_entry2 *host, unsigned count, const struct cpuid_vcpu *v)
{
	memset(e, 0, sizeof(e));
	memcpy(e, host, count * sizeof(*host));
	n = count;
	assert_int_equal(cpuid_fixup(e, &n, CPUID_MAX, v), 0);
	for (unsigned i = 0; i < n; i++) {
		for (unsigned j = 0; j < i; j++)
			assert_false(e[i].function == e[j].function && e[i].index == e[j].index);
	}
}

static const struct kvm_cpuid_entry2 *leaf(u32 function, u32 index)
{
	const struct kvm_cpuid_entry2 *x = cpuid_find(e, n, function, index);

	assert_non_null(x);
	return x;
}

static void check_topology(u32 function, unsigned cpus, unsigned bits, u32 id)
{
	assert_int_equal(leaf(function, 0)->eax, 0);
	assert_int_equal(leaf(function, 0)->ebx, 1);
	assert_int_equal(leaf(function, 0)->ecx, 0x100);
	assert_int_equal(leaf(function, 1)->eax, bits);
	assert_int_equal(leaf(function, 1)->ebx, cpus);
	assert_int_equal(leaf(function, 1)->ecx, 0x201);
	assert_int_equal(leaf(function, 2)->ebx, 0);
	assert_int_equal(leaf(function, 2)->ecx, 2);
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(leaf(function, i)->edx, id);
}

static void check_leaf1(unsigned cpus, unsigned bits, u32 id)
{
	assert_int_equal(leaf(1, 0)->ebx >> 24, id);
	assert_int_equal(leaf(1, 0)->ebx >> 16 & 0xff, 1U << bits);
	assert_int_equal(leaf(1, 0)->ebx & 0xffff, 0x0800);
	assert_int_equal(leaf(1, 0)->edx >> 28 & 1, cpus > 1);
	assert_int_equal(leaf(1, 0)->ecx & (1U << 31 | 1U << 21), 1U << 31 | 1U << 21);
	assert_int_equal(leaf(1, 0)->ecx & (1U << 27 | 1U << 3), 0);
}

static void test_cpuid_intel_topology_is_one_package_of_n_cores(void **state)
{
	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
		unsigned cpus = sizes[s].cpus, bits = sizes[s].bits;

		for (u32 id = 0; id < cpus; id++) {
			struct cpuid_vcpu v = { .cpus = cpus, .apic_id = id };

			fixed(intel, ARRAY_SIZE(intel), &v);
			check_leaf1(cpus, bits, id);
			check_topology(0xb, cpus, bits, id);
			check_topology(0x1f, cpus, bits, id);
			for (u32 i = 0; i < 4; i++) {
				assert_int_equal(leaf(4, i)->eax >> 26, (1U << bits) - 1);
				assert_int_equal(leaf(4, i)->eax >> 14 & 0xfff, i == 3 ? (1U << bits) - 1 : 0);
				assert_int_equal(leaf(4, i)->eax & 0x3fff, intel[2 + i].eax & 0x3fff);
			}
			assert_int_equal(leaf(4, 4)->eax, 0);
			assert_int_equal(leaf(0x80000001, 0)->ecx & 2, 0);
			assert_int_equal(leaf(0x80000008, 0)->ecx, 0);
		}
	}
}

static void test_cpuid_amd_topology_is_one_package_of_n_cores(void **state)
{
	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
		unsigned cpus = sizes[s].cpus, bits = sizes[s].bits;

		for (u32 id = 0; id < cpus; id++) {
			struct cpuid_vcpu v = { .cpus = cpus, .apic_id = id };

			fixed(amd, ARRAY_SIZE(amd), &v);
			check_leaf1(cpus, bits, id);
			check_topology(0xb, cpus, bits, id);
			assert_null(cpuid_find(e, n, 0x1f, 0));
			assert_null(cpuid_find(e, n, 0x80000026, 0));
			assert_int_equal(leaf(0x80000001, 0)->ecx >> 1 & 1, cpus > 1);
			assert_int_equal(leaf(0x80000008, 0)->ecx, 0x300000 | bits << 12 | (cpus - 1));
			assert_int_equal(leaf(0x8000001d, 0)->eax >> 14 & 0xfff, 0);
			assert_int_equal(leaf(0x8000001d, 3)->eax >> 14 & 0xfff, (1U << bits) - 1);
			assert_int_equal(leaf(0x8000001e, 0)->eax, id);
			assert_int_equal(leaf(0x8000001e, 0)->ebx, id);
			assert_int_equal(leaf(0x8000001e, 0)->ecx, 0);
		}
	}
}

static void test_cpuid_features_follow_kvm(void **state)
{
	struct cpuid_vcpu v = { .cpus = 1, .tsc_deadline = true };

	fixed(intel, ARRAY_SIZE(intel), &v);
	assert_int_equal(leaf(1, 0)->ecx >> 24 & 1, 1);
	assert_int_equal(leaf(6, 0)->eax, 4);
	assert_null(cpuid_find(e, n, 5, 0));
	v.tsc_deadline = false;
	fixed(intel, ARRAY_SIZE(intel), &v);
	assert_int_equal(leaf(1, 0)->ecx >> 24 & 1, 0);
}

static void test_cpuid_frequency_leaves_tell_the_tsc(void **state)
{
	static const u32 khz[] = { 800000, 1000000, 1999999, 2000000, 2499998, 2904000, 3792874, 4294000, 4500001, 5999999 };

	for (unsigned i = 0; i < ARRAY_SIZE(khz); i++) {
		struct cpuid_vcpu v = { .cpus = 1, .tsc_khz = khz[i] };
		u64 got, diff;

		fixed(intel, ARRAY_SIZE(intel), &v);
		assert_int_equal(leaf(0x40000000, 0)->eax, 0x40000010);
		assert_int_equal(leaf(0x40000010, 0)->eax, khz[i]);
		assert_int_equal(leaf(0x40000010, 0)->ebx, 1000000);
		assert_int_equal(leaf(0x15, 0)->ecx, 1000000000);
		/* As Linux computes it, in 32 bits. */
		assert_true((u64)1000000 * leaf(0x15, 0)->ebx <= UINT32_MAX);
		got = (u64)1000000 * leaf(0x15, 0)->ebx / leaf(0x15, 0)->eax;
		diff = got > khz[i] ? got - khz[i] : khz[i] - got;
		assert_true(diff * 1000000 / khz[i] <= 1);
	}
}

static void test_cpuid_frequency_unknown_is_not_told(void **state)
{
	struct cpuid_vcpu v = { .cpus = 1 };

	fixed(intel, ARRAY_SIZE(intel), &v);
	assert_null(cpuid_find(e, n, 0x15, 0));
	assert_null(cpuid_find(e, n, 0x40000010, 0));
	assert_int_equal(leaf(0x40000000, 0)->eax, 0x40000001);
}

static void test_cpuid_old_host_gets_leaf_b(void **state)
{
	const struct kvm_cpuid_entry2 old[] = { { .function = 0, .eax = 0xa }, { .function = 1 } };
	struct cpuid_vcpu v = { .cpus = 4, .apic_id = 2, .tsc_khz = 2000000 };

	fixed(old, ARRAY_SIZE(old), &v);
	assert_int_equal(leaf(0, 0)->eax, 0xb);
	check_topology(0xb, 4, 2, 2);
	assert_null(cpuid_find(e, n, 0x15, 0));
}

static void test_cpuid_full_array_is_refused(void **state)
{
	struct cpuid_vcpu v = { .cpus = 2, .tsc_khz = 2000000 };
	unsigned want, count;

	fixed(intel, ARRAY_SIZE(intel), &v);
	want = n;
	for (unsigned max = ARRAY_SIZE(intel); max < want; max++) {
		memcpy(e, intel, sizeof(intel));
		count = ARRAY_SIZE(intel);
		assert_int_equal(cpuid_fixup(e, &count, max, &v), -E2BIG);
		assert_true(count <= max);
	}
}

static void test_cpuid_phys_bits_is_the_smaller(void **state)
{
	static const struct {
		u32 eax;
		unsigned bits;
	} row[] = { { 0x302e, 46 }, { 0x303034, 48 }, { 0x343034, 52 }, { 0x3000, 36 } };

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		struct kvm_cpuid_entry2 x = { .function = 0x80000008, .eax = row[i].eax };

		assert_int_equal(cpuid_phys_bits(&x, 1), row[i].bits);
	}
	assert_int_equal(cpuid_phys_bits(NULL, 0), 36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpuid_intel_topology_is_one_package_of_n_cores),
		cmocka_unit_test(test_cpuid_amd_topology_is_one_package_of_n_cores),
		cmocka_unit_test(test_cpuid_features_follow_kvm),
		cmocka_unit_test(test_cpuid_frequency_leaves_tell_the_tsc),
		cmocka_unit_test(test_cpuid_frequency_unknown_is_not_told),
		cmocka_unit_test(test_cpuid_old_host_gets_leaf_b),
		cmocka_unit_test(test_cpuid_full_array_is_refused),
		cmocka_unit_test(test_cpuid_phys_bits_is_the_smaller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
