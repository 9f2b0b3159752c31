"""Write every dashboard."""

from dashboards import pages


def main() -> None:
    """Write every dashboard into the manifests."""
    for page in pages.every():
        page.write(pages.FOLDER)


if __name__ == "__main__":
    main()
