/* A QEMU plugin that counts how often each block of guest code is executed between two marks.
 *
 * The guest begins and ends a window by close(MARK_BEGIN) and close(MARK_END), file descriptors that are never open.
 * For each window, the file `counts` in the working directory gets a line "window", then one line for each block that
 * was executed in it: its address, how often, and its instruction words, all in hexadecimal. What the instructions
 * are is for the reader to say.
 *
 * Debian packages no header for plugins, and the C library's headers may be missing too: what is used is declared here
 * (QEMU's include/qemu/qemu-plugin.h). Blocks are counted by a callback, not by QEMU's inline addition, because the
 * latter is another function in each version of the interface.
 */
typedef unsigned long size_t;
typedef unsigned long u64;
typedef unsigned int u32;

enum { MARK_BEGIN = 0x5A5A0001, MARK_END = 0x5A5A0002 };
enum { AARCH64_CLOSE = 57, NO_REGISTERS = 0 };

#ifndef PLUGIN_API
#define PLUGIN_API 1
#endif

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*translated)(u64 id, struct qemu_plugin_tb *block);
typedef void (*executed)(unsigned cpu, void *data);
typedef void (*called)(u64 id, unsigned cpu, long number, u64, u64, u64, u64, u64, u64, u64, u64);
void qemu_plugin_register_vcpu_tb_trans_cb(u64 id, translated callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed callback, int flags, void *data);
void qemu_plugin_register_vcpu_syscall_cb(u64 id, called callback);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
u64 qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
#if PLUGIN_API < 3
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
#else
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction, void *copy, size_t size);
#endif

void *malloc(size_t size);
void *fopen(const char *path, const char *mode);
int fprintf(void *file, const char *format, ...);
int fflush(void *file);

__attribute__((visibility("default"))) int qemu_plugin_version = PLUGIN_API;

struct block {
  struct block *next;
  u64 address, count;
  size_t length;
  u32 words[];
};

static struct block *blocks;
static void *output;
static int counting;

static void on_executed(unsigned cpu, void *data) {
  if (counting) ((struct block *)data)->count++;
}

static void on_translated(u64 id, struct qemu_plugin_tb *translation) {
  size_t length = qemu_plugin_tb_n_insns(translation);
  struct block *block = malloc(sizeof *block + length * sizeof(u32));
  if (!block) return;
  block->address = qemu_plugin_tb_vaddr(translation);
  block->count = 0;
  block->length = length;
  for (size_t i = 0; i < length; i++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translation, i);
#if PLUGIN_API < 3
    block->words[i] = *(const u32 *)qemu_plugin_insn_data(instruction);
#else
    qemu_plugin_insn_data(instruction, &block->words[i], sizeof(u32));
#endif
  }
  /* The guest is told to use one thread; should it start others, QEMU translates under a lock of its own. */
  block->next = blocks;
  blocks = block;
  qemu_plugin_register_vcpu_tb_exec_cb(translation, on_executed, NO_REGISTERS, block);
}

static void on_system_call(u64 id, unsigned cpu, long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h) {
  if (number != AARCH64_CLOSE) return;
  if ((u32)a == MARK_BEGIN) {
    for (struct block *block = blocks; block; block = block->next) block->count = 0;
    counting = 1;
  } else if ((u32)a == MARK_END && counting) {
    counting = 0;
    fprintf(output, "window\n");
    for (struct block *block = blocks; block; block = block->next) {
      if (!block->count) continue;
      fprintf(output, "%lx %lx ", block->address, block->count);
      for (size_t i = 0; i < block->length; i++) fprintf(output, "%08x", block->words[i]);
      fprintf(output, "\n");
    }
    fprintf(output, "end\n");
    fflush(output);
  }
}

__attribute__((visibility("default"))) int qemu_plugin_install(u64 id, const void *info, int count, char **arguments) {
  output = fopen("counts", "w");
  if (!output) return -1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
  qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
  return 0;
}
