"""The page of jobs on a real instance, in process and with a second one in front."""

from playwright.async_api import expect

from tests.browser.conftest import calm


async def test_jobs_are_listed_flushed_and_a_dead_letter_is_retried_and_deleted(console, backend, visit):
    await calm(backend)
    with backend.client("operator") as api:
        ids = api.post("/api/v1/jobs", json={"jobs": [{"kind": "ocr", "payload": {"n": n}} for n in range(3)]}).json()["ids"]
        updates = [{"job_id": ids[0], "status": "error", "error_message": "no such file"}, {"job_id": 10**12, "status": "error"}]
        assert api.post("/api/v1/jobs/status", json={"updates": updates}).json()["accepted"] == 2
    async with visit(console) as v:
        await v.sign_in(path="/jobs")
        page = v.page
        row = page.locator(f"[data-job-id='{ids[0]}']")
        await expect(row).to_be_visible()
        await page.get_by_test_id("jobs-flush").click()
        await expect(row).to_contain_text("no such file")
        letter = page.locator(".jletters li", has_text="1 000 000 000 000".replace(" ", "\u202f")).first
        await letter.get_by_role("button", name="Retry").click()
        await expect(page.get_by_text("is queued again")).to_be_visible()
        await page.get_by_test_id("jobs-flush").click()
        await expect(page.get_by_text("flushed", exact=False).first).to_be_visible()  # its update was refused once more
        await expect(letter).to_be_visible()
        while await letter.count():
            this = page.locator(f"[data-letter-id='{await letter.get_attribute('data-letter-id')}']")
            await this.get_by_role("button", name="Delete").click()
            await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
            await expect(this).to_have_count(0)
            await expect(page.get_by_text("is deleted")).to_be_visible()
        await page.get_by_role("link", name="Error").click()
        await expect(page).to_have_url(f"{console.url}/jobs?status=error")
        await expect(page.locator("[data-job-id]").first).to_contain_text("Error")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("accounted for")
