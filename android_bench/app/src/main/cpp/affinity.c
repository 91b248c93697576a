// sched_setaffinity for the calling thread: android.system.Os does not have it.
// The system call is made directly, so that the library needs no C library and any clang can build it, NDK or not.

#if defined(__aarch64__)
static long set_affinity(long size, const void *mask) {
    register long number __asm__("x8") = 122;
    register long thread __asm__("x0") = 0;
    register long length __asm__("x1") = size;
    register const void *bits __asm__("x2") = mask;
    __asm__ volatile("svc #0" : "+r"(thread) : "r"(number), "r"(length), "r"(bits) : "memory");
    return thread;
}
#elif defined(__arm__)
static long set_affinity(long size, const void *mask) {
    // r7 carries the number but may be the frame pointer, so it is kept aside.
    register long thread __asm__("r0") = 0;
    register long length __asm__("r1") = size;
    register const void *bits __asm__("r2") = mask;
    __asm__ volatile("mov r12, r7\n mov r7, #241\n svc #0\n mov r7, r12"
                     : "+r"(thread) : "r"(length), "r"(bits) : "r12", "memory");
    return thread;
}
#elif defined(__x86_64__)
static long set_affinity(long size, const void *mask) {
    long answer;
    __asm__ volatile("syscall" : "=a"(answer) : "a"(203L), "D"(0L), "S"(size), "d"(mask) : "rcx", "r11", "memory");
    return answer;
}
#else
#error "Add the system call of this architecture"
#endif

// static native int Affinity.set(long mask): 0, or the negative errno.
__attribute__((visibility("default")))
int Java_dev_kerasint8_bench_Affinity_set(void *env, void *type, long long mask) {
    (void)env;
    (void)type;
    return (int)set_affinity(sizeof mask, &mask);
}
