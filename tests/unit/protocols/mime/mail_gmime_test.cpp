// SPDX-License-Identifier: Apache-2.0
// Every leaf that GMime finds in the corpus is a part of ours, octet by octet; but for the messages of gmime_differences.txt, which says why.
#include "base/text.h"
#include "unit/support/corpora.h"
#include "unit/support/mail.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>

namespace sluice::mime {
namespace {

constexpr int not_installed = 77;

std::uint32_t crc32(std::string_view text) {
    std::uint32_t crc = ~0U;
    for (const char c : text) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1U ^ (0xedb88320U & (0U - (crc & 1U)));
    }
    return ~crc;
}

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> exceptions() {
    std::set<std::string> out;
    std::ifstream file(SLUICE_SOURCE_DIR "/tests/unit/protocols/mime/gmime_differences.txt");
    for (std::string line; std::getline(file, line);)
        if (!line.empty() && line.front() != '#') out.insert(line.substr(0, line.find(' ')));
    return out;
}

// "octets<TAB>CRC-32" by file; nothing where GMime is not installed.
std::map<std::string, std::vector<std::string>> gmime_leaves(const std::filesystem::path& corpus) {
    std::map<std::string, std::vector<std::string>> out;
    const std::string command = "/usr/bin/python3 " SLUICE_SOURCE_DIR "/tests/unit/protocols/mime/gmime_view.py '" + corpus.string() + "'";
    FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return out;
    std::string text;
    std::array<char, 4096> buffer;
    while (const std::size_t size = fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), size);
    const int status = pclose(pipe);
    if (WIFEXITED(status) && WEXITSTATUS(status) == not_installed) return out;
    EXPECT_EQ(status, 0);
    for (const std::string_view line : split(text, '\n')) {
        const auto words = split(line, '\t');
        if (words.size() == 4) out[std::string(words[0])].push_back(std::string(words[2]) + '\t' + std::string(words[3]));
    }
    return out;
}

TEST(MailCorpus, leaves_of_gmime_are_found) {
    const std::filesystem::path corpus = test::corpus("eml");
    if (corpus.empty()) GTEST_SKIP() << "the corpora are not there";
    const auto leaves = gmime_leaves(corpus);
    if (leaves.empty()) GTEST_SKIP() << "GMime is not installed";
    EXPECT_GT(leaves.size(), 200U);
    const std::set<std::string> excepted = exceptions();
    for (const auto& [file, wanted] : leaves) {
        if (excepted.contains(file)) continue;
        std::set<std::string> ours;
        for (const test::ReadPart& one : test::read_mail(contents(corpus / file)).parts)
            ours.insert(std::to_string(one.data.size()) + '\t' + std::to_string(crc32(one.data)));
        for (const std::string& one : wanted) EXPECT_TRUE(ours.contains(one)) << file << ": " << one;
    }
}

}  // namespace
}  // namespace sluice::mime
