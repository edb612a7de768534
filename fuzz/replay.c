// The main of a fuzz target without a fuzzer: runs the target over files and folders of inputs.
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz/support.h"

static size_t inputs;

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    FUZZ_CHECK(file != NULL);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    FUZZ_CHECK(size >= 0);
    uint8_t *bytes = malloc((size_t)size + 1);
    FUZZ_CHECK(bytes != NULL && fread(bytes, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    fprintf(stderr, "%s\n", path); // the last line names the input that failed
    LLVMFuzzerTestOneInput(bytes, (size_t)size);
    free(bytes);
    inputs++;
}

static void run_folder(const char *path)
{
    DIR *folder = opendir(path);
    FUZZ_CHECK(folder != NULL);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        int len = snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        FUZZ_CHECK(len > 0 && (size_t)len < sizeof(file));
        run_file(file);
    }
    closedir(folder);
}

int main(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        struct stat about;
        FUZZ_CHECK(stat(arguments[i], &about) == 0);
        if (S_ISDIR(about.st_mode))
            run_folder(arguments[i]);
        else
            run_file(arguments[i]);
    }
    printf("%zu inputs\n", inputs);
    return inputs == 0;
}
